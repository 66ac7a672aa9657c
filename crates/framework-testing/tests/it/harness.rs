//! Logs and paused time.

use std::time::Duration;

use framework_app::App;
use framework_testing::{Log, TestApp, noisy, paused};

#[test]
fn a_noisy_module_says_when_all_of_it_is_up_and_when_all_of_it_is_down() {
    let log = Log::default();
    let (up, down) = (log.clone(), log.clone());
    let data = noisy("data", &log, move |reg| {
        reg.setup("open", |_cx| async move {
            up.write("open");
            Ok(())
        });
        reg.teardown("close", |_cx| async move {
            down.write("close");
            Ok(())
        });
        drop(reg.provide(|_cx| async { Ok(80_u16) }));
    });
    let orders = noisy("orders", &log, |reg| drop(reg.need::<u16>()));
    let app = App::builder("test").modules(vec![orders, data]);
    paused(async { TestApp::start(app).await.stop().await }).unwrap();
    assert_eq!(log.take(), ["open", "+data", "+orders", "-orders", "close", "-data"]);
    assert_eq!(log.lines(), [""; 0]);
}

#[test]
fn paused_time_passes_only_while_everything_waits() {
    let before = std::time::SystemTime::now();
    let slept = paused(async {
        let begun = tokio::time::Instant::now();
        tokio::time::sleep(Duration::from_secs(86_400)).await;
        begun.elapsed()
    });
    assert_eq!(slept, Duration::from_secs(86_400));
    assert!(before.elapsed().unwrap() < Duration::from_secs(60));
}
