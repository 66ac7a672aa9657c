use std::sync::Arc;

use framework_app::App;
use framework_core::{Contribution, Module, Order, Registrar, module_fn};
use framework_testing::{Fake, TestApp};

struct Infra;

impl Module for Infra {
    fn name(&self) -> &'static str {
        "infra"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        reg.provide_arc::<str, _, _>(|_cx| async { Err("no network in tests".into()) });
    }
}

struct Page;

impl Contribution for Page {
    const KIND: &'static str = "pages";
    const ORDER: Order = Order::CollectorLast;
}

#[tokio::test]
async fn a_fake_takes_the_place_of_a_value_which_is_then_never_made() {
    let fake = Fake::new("fakes").replaces::<str>(Arc::from("fake"));
    let app = TestApp::start(App::builder("test").modules((Infra, fake))).await;
    assert_eq!(&*app.get_value::<str>(), "fake");
    app.stop().await.unwrap();
}

#[tokio::test]
async fn a_fake_stands_for_a_module_that_others_require() {
    let orders = module_fn("orders", |reg| {
        reg.requires::<Infra>();
        drop((reg.need::<str>(), reg.need_named::<u16>("port")));
        reg.contribute(Page);
    });
    let fake = Fake::new("fakes")
        .stands_for::<Infra>()
        .provides::<str>(Arc::from("fake"))
        .provides_named("port", Arc::new(80_u16));
    let pages = Fake::new("pages").swallows::<Page>();
    let app = TestApp::start(App::builder("test").modules((orders, fake, pages))).await;
    app.stop().await.unwrap();
}

#[test]
fn a_fake_of_what_nobody_has_is_refused() {
    let fake = Fake::new("fakes").replaces(Arc::new(80_u16));
    let error = App::builder("test").module(fake).plan().unwrap_err().to_string();
    assert!(error.contains("`fakes` replaces `u16`, which no module provides"), "{error}");
}
