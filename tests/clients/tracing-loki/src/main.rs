//! Sends a few events to a server with tracing-loki.
//!
//! Arguments: the server's address, the value of the `Authorization` header, the tenant.

use std::env::args;
use std::error::Error;

use tracing_subscriber::layer::SubscriberExt;
use url::Url;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = args().collect();
    let (layer, controller, task) = tracing_loki::builder()
        .label("application", "shop")?
        .extra_field("version", "1.2")?
        .http_header("Authorization", &words[2])?
        .http_header("X-Scope-OrgID", &words[3])?
        .build_controller_url(Url::parse(&words[1])?)?;
    let running = tokio::spawn(task);
    {
        let subscriber = tracing_subscriber::registry().with(layer);
        let _guard = tracing::subscriber::set_default(subscriber);
        tracing::info!(area = "cart", "cart opened");
        let _span = tracing::info_span!("checkout", order = 7).entered();
        tracing::error!(area = "pay", "two\nlines \"quoted\" \u{2603}");
    }
    controller.shutdown().await;
    running.await?;
    Ok(())
}
