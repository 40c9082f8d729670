//! The functions that a template may call, and the types of their parameters.

use super::value::Value;

/// The Go type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Param {
    /// Any value, taken as the function of a template sees it.
    Reflected,
    Any,
    String,
    Int,
    Float,
    Time,
    Duration,
    Zone,
}

impl Param {
    pub fn type_name(self) -> &'static str {
        match self {
            Param::Reflected => "reflect.Value",
            Param::Any => "interface {}",
            Param::String => "string",
            Param::Int => "int",
            Param::Float => "float64",
            Param::Time => "time.Time",
            Param::Duration => "time.Duration",
            Param::Zone => "*time.Location",
        }
    }

    /// Whether nil may be given.
    pub fn takes_nil(self) -> bool {
        matches!(self, Param::Reflected | Param::Any | Param::Zone)
    }

    /// Whether a value may be given as it is.
    pub fn takes(self, value: &Value<'_>) -> bool {
        match self {
            Param::Reflected | Param::Any => true,
            other => value.type_name() == other.type_name(),
        }
    }
}

/// Parameters, and the type of further arguments.
#[derive(Clone, Copy, Debug)]
pub struct Signature {
    pub fixed: &'static [Param],
    pub variadic: Option<Param>,
}

macro_rules! functions {
    ($($variant:ident $name:literal [$($fixed:ident),*] $(+ $more:ident)?;)*) => {
        /// A function by its name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Function {
            $($variant,)*
        }

        impl Function {
            pub fn named(name: &str) -> Option<Function> {
                match name {
                    $($name => Some(Function::$variant),)*
                    _ => None,
                }
            }

            pub fn name(self) -> &'static str {
                match self {
                    $(Function::$variant => $name,)*
                }
            }

            pub fn signature(self) -> Signature {
                match self {
                    $(Function::$variant => Signature {
                        fixed: &[$(Param::$fixed),*],
                        variadic: functions!(@more $($more)?),
                    },)*
                }
            }

            /// Every function, in the order of the reference.
            pub const ALL: &'static [Function] = &[$(Function::$variant),*];
        }
    };
    (@more) => { None };
    (@more $more:ident) => { Some(Param::$more) };
}

functions! {
    And "and" [Reflected] + Reflected;
    Or "or" [Reflected] + Reflected;
    Not "not" [Reflected];
    Eq "eq" [Reflected] + Reflected;
    Ne "ne" [Reflected, Reflected];
    Lt "lt" [Reflected, Reflected];
    Le "le" [Reflected, Reflected];
    Gt "gt" [Reflected, Reflected];
    Ge "ge" [Reflected, Reflected];
    Len "len" [Reflected];
    Index "index" [Reflected] + Reflected;
    Slice "slice" [Reflected] + Reflected;
    Print "print" [] + Any;
    Printf "printf" [String] + Any;
    Println "println" [] + Any;
    Html "html" [] + Any;
    Js "js" [] + Any;
    UrlQuery "urlquery" [] + Any;
    Call "call" [Reflected] + Reflected;
    Line "__line__" [];
    Timestamp "__timestamp__" [];
    Lower "lower" [String];
    Upper "upper" [String];
    Title "title" [String];
    ToLower "ToLower" [String];
    ToUpper "ToUpper" [String];
    TrimBlanks "trim" [String];
    TrimAll "trimAll" [String, String];
    TrimPrefix "trimPrefix" [String, String];
    TrimSuffix "trimSuffix" [String, String];
    LegacyTrim "Trim" [String, String];
    LegacyTrimLeft "TrimLeft" [String, String];
    LegacyTrimRight "TrimRight" [String, String];
    LegacyTrimPrefix "TrimPrefix" [String, String];
    LegacyTrimSuffix "TrimSuffix" [String, String];
    LegacyTrimSpace "TrimSpace" [String];
    Replace "replace" [String, String, String];
    LegacyReplace "Replace" [String, String, String, Int];
    Trunc "trunc" [Int, String];
    Substr "substr" [Int, Int, String];
    Repeat "repeat" [Int, String];
    Indent "indent" [Int, String];
    Nindent "nindent" [Int, String];
    AlignLeft "alignLeft" [Int, String];
    AlignRight "alignRight" [Int, String];
    Contains "contains" [String, String];
    HasPrefix "hasPrefix" [String, String];
    HasSuffix "hasSuffix" [String, String];
    RegexReplaceAll "regexReplaceAll" [String, String, String];
    RegexReplaceAllLiteral "regexReplaceAllLiteral" [String, String, String];
    Count "count" [String, String];
    UrlEncode "urlencode" [String];
    UrlDecode "urldecode" [String];
    B64Enc "b64enc" [String];
    B64Dec "b64dec" [String];
    Bytes "bytes" [String];
    Duration "duration" [String];
    DurationSeconds "duration_seconds" [String];
    Date "date" [String, Any];
    ToDate "toDate" [String, String];
    ToDateInZone "toDateInZone" [String, String, String];
    Now "now" [];
    UnixEpoch "unixEpoch" [Time];
    UnixEpochMillis "unixEpochMillis" [Time];
    UnixEpochNanos "unixEpochNanos" [Time];
    UnixToTime "unixToTime" [String];
    Default "default" [Any] + Any;
    FromJson "fromJson" [String];
    Int "int" [Any];
    Float64 "float64" [Any];
    Add "add" [] + Any;
    Sub "sub" [Any, Any];
    Mul "mul" [Any] + Any;
    Div "div" [Any, Any];
    Mod "mod" [Any, Any];
    Max "max" [Any] + Any;
    Min "min" [Any] + Any;
    Addf "addf" [] + Any;
    Subf "subf" [Any] + Any;
    Mulf "mulf" [Any] + Any;
    Divf "divf" [Any] + Any;
    Maxf "maxf" [Any] + Any;
    Minf "minf" [Any] + Any;
    Ceil "ceil" [Any];
    Floor "floor" [Any];
    Round "round" [Any, Int] + Float;
}
