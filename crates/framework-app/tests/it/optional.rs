use framework_core::ModuleState;

use super::*;

fn failing(reg: &mut Registrar<'_>) {
    reg.optional();
    reg.setup("connect", |_cx| async { Err("no route to host".into()) });
}

#[tokio::test]
async fn an_application_starts_without_an_optional_module_that_fails() {
    let log = Log::default();
    let app = app([
        noisy("cache", &log, |reg| {
            provide_u16(reg);
            failing(reg);
        }),
        noisy("uses", &log, |reg| {
            let port = reg.need_optional::<u16>();
            reg.setup("look", move |cx| async move {
                assert!(cx.get_optional(&port).is_none(), "its module has been cleaned up");
                Ok(())
            });
        }),
        noisy("needs", &log, |reg| {
            reg.need::<u16>();
            reg.optional();
        }),
    ]);
    let running = app.build().unwrap().start().await.unwrap();
    let states: Vec<_> = running.lifecycle().modules().iter().map(|module| module.state).collect();
    assert_eq!(states, [ModuleState::Failed, ModuleState::Running, ModuleState::Skipped]);
    let error = running.stop(asked()).await.unwrap_err();
    assert!(error.to_string().starts_with("error[E0201]: `cache` failed to start"), "{error}");
    assert_eq!(log.lines(), ["-cache", "+uses", "-uses"]);
}

#[tokio::test]
async fn a_module_that_cannot_do_without_an_optional_one_fails_with_it() {
    let app = app([
        module("cache", |reg| {
            provide_u16(reg);
            failing(reg);
        }),
        module("orders", |reg| {
            reg.need::<u16>();
        }),
    ]);
    let error = app.build().unwrap().start().await.unwrap_err();
    assert_eq!(
        error.to_string().lines().next(),
        Some("error[E0202]: `orders` cannot start without `cache`")
    );
    assert!(error.to_string().contains("no route to host"), "{error}");
}
