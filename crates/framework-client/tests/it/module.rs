use framework_app::App;
use framework_client::{Client, ClientExt as _};
use framework_config::{ConfigModule, Sources};
use framework_core::{BoxModule, ShutdownReason, module_fn};
use std::time::Duration;

struct Payments(Client);

impl From<Client> for Payments {
    fn from(client: Client) -> Self {
        Self(client)
    }
}

fn ordering() -> BoxModule {
    BoxModule::new(module_fn("ordering", |reg| {
        let payments = reg.client_as::<Payments>("payments");
        let stock = reg.client("stock");
        reg.setup("look", move |cx| async move {
            let (payments, stock) = (cx.get(&payments), cx.get(&stock));
            assert_eq!(payments.0.settings().base_url, "http://pay:8080/v1");
            assert_eq!(payments.0.settings().retry.max_attempts, 2);
            assert_eq!(payments.0.settings().timeout, Duration::from_secs(3));
            assert_eq!((stock.name(), stock.settings().retry.max_attempts), ("stock", 3));
            Ok(())
        });
    }))
}

fn configured(text: &str) -> ConfigModule {
    ConfigModule::from(Sources::none().toml_text("app.toml", text))
}

const GOOD: &str = r#"
[clients.payments]
base_url = "http://pay:8080/v1"
timeout = "3s"
retry.max_attempts = 2
"#;

#[tokio::test]
async fn each_client_is_made_of_the_section_of_its_name() {
    // Another module finds the client by its name, and the wrapper by its type.
    let reports = module_fn("reports", |reg| {
        let stock = reg.need_named::<Client>("stock");
        let payments = reg.need::<Payments>();
        reg.setup("look", move |cx| async move {
            assert_eq!((cx.get(&stock).name(), cx.get(&payments).0.name()), ("stock", "payments"));
            Ok(())
        });
    });
    let app = App::builder("shop").modules((configured(GOOD), ordering(), reports));
    let running = app.build().unwrap().start().await.unwrap();
    running.stop(ShutdownReason::Requested("the test".to_owned())).await.unwrap();
}

#[test]
fn what_is_wrong_with_a_client_is_told_before_anything_starts() {
    for (text, expected) in [
        ("[clients.paymnts]\ntimeout = \"1s\"", "is `clients.payments` meant?"),
        ("[clients.payments]\ntimeuot = \"1s\"", "timeuot"),
        ("[clients.payments]\nbase_url = \"pay:80\"", "must be an address without a query"),
        ("[clients.payments.retry]\nbudget = 7.0", "must be from 0 to 1"),
    ] {
        let app = App::builder("shop").modules((configured(text), ordering()));
        let error = app.plan().unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}
