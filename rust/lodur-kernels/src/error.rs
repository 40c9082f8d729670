//! The one error type of the kernels; `lodur-native` maps each variant to a class of `lodur.model.errors`.

use thiserror::Error;

#[derive(Debug, Error)]
pub enum KernelError {
    /// The caller's bytes or text are wrong (`InvalidRequest`).
    #[error("{0}")]
    InvalidRequest(String),
    /// A named limit was passed (`LimitExceeded`).
    #[error("{message}")]
    LimitExceeded { limit: &'static str, message: String },
    /// Stored bytes are damaged (`CorruptData`).
    #[error("{path}: {message} at byte {offset}")]
    Corrupt { path: String, offset: u64, message: String },
    /// Arguments that our own Python should never pass (a bug of ours).
    #[error("kernel input: {0}")]
    Input(String),
    /// Try again later (`Unavailable`).
    #[error("{0}")]
    Unavailable(String),
    /// The query was cancelled by its owner (client gone or deadline passed).
    #[error("cancelled")]
    Cancelled,
    #[error("{context}: {source}")]
    Io { context: String, source: std::io::Error },
}

pub type Result<T> = std::result::Result<T, KernelError>;

impl KernelError {
    pub fn io(context: impl Into<String>, source: std::io::Error) -> Self {
        KernelError::Io { context: context.into(), source }
    }

    pub fn corrupt(path: impl Into<String>, offset: u64, message: impl Into<String>) -> Self {
        KernelError::Corrupt { path: path.into(), offset, message: message.into() }
    }

    /// The same error, naming the file where it is about stored bytes.
    pub fn in_file(self, name: &str) -> Self {
        match self {
            KernelError::Corrupt { path, offset, message } if path.is_empty() => {
                KernelError::Corrupt { path: name.to_string(), offset, message }
            }
            error => error,
        }
    }

    /// The same error with the place of the page it arose in.
    pub fn at(self, place: u64) -> Self {
        match self {
            KernelError::Corrupt { path, offset: 0, message } => KernelError::Corrupt { path, offset: place, message },
            error => error,
        }
    }
}
