use std::{fmt::Display, sync::Arc};

use framework_di::{All, InjectExt, Scope, interface};

use crate::app::start;

#[interface]
trait Rule: Send + Sync {
    fn name(&self) -> &'static str;
}

#[interface]
trait Store<T: Send + Sync>: Send + Sync {
    fn first(&self) -> Option<&T>;
}

struct Short;
struct Long;
struct Memory(Vec<u8>);

impl Rule for Short {
    fn name(&self) -> &'static str {
        "short"
    }
}

impl Rule for Long {
    fn name(&self) -> &'static str {
        "long"
    }
}

impl Store<u8> for Memory {
    fn first(&self) -> Option<&u8> {
        self.0.first()
    }
}

#[tokio::test]
async fn a_trait_is_served_by_the_very_value_it_is_bound_to() {
    let (app, rule) = start(|reg| {
        reg.inject(|| Short);
        reg.bind::<dyn Rule, Short>()
    })
    .await
    .unwrap();
    assert_eq!(app.cx.get(&rule).name(), "short");
    let (concrete, bound) = (app.get::<Short>(), app.get::<dyn Rule>());
    assert_eq!(Arc::as_ptr(&concrete).cast::<()>(), Arc::as_ptr(&bound).cast::<()>());
}

#[tokio::test]
async fn members_of_a_trait_are_bound_one_by_one() {
    let (app, ()) = start(|reg| {
        reg.inject(|| Long);
        reg.inject(|| Short);
        reg.members().bind::<dyn Rule, Short>();
        reg.members().bind::<dyn Rule, Long>();
        reg.inject(|rules: All<dyn Rule>| rules.iter().map(|rule| rule.name()).collect::<Vec<_>>());
    })
    .await
    .unwrap();
    assert_eq!(*app.get::<Vec<&str>>(), ["short", "long"]);
}

#[tokio::test]
async fn a_trait_can_be_bound_anew_in_place_of_the_first_binding() {
    let (app, ()) = start(|reg| {
        reg.inject(|| Long);
        reg.inject(|| Short);
        reg.bind::<dyn Rule, Long>();
        reg.replacing().bind::<dyn Rule, Short>();
    })
    .await
    .unwrap();
    assert_eq!(app.get::<dyn Rule>().name(), "short");
}

#[tokio::test]
async fn a_trait_with_a_parameter_is_bound() {
    let (app, ()) = start(|reg| {
        reg.inject(|| Memory(vec![9]));
        reg.bind::<dyn Store<u8>, Memory>();
    })
    .await
    .unwrap();
    assert_eq!(app.get::<dyn Store<u8>>().first(), Some(&9));
}

#[tokio::test]
async fn a_trait_of_another_crate_is_bound_by_a_function() {
    let (app, ()) = start(|reg| {
        reg.inject(|| 7_u8);
        reg.bind_with::<dyn Display + Send + Sync, u8>(|number| number);
    })
    .await
    .unwrap();
    assert_eq!(app.get::<dyn Display + Send + Sync>().to_string(), "7");
}

#[tokio::test]
async fn a_trait_bound_to_a_scoped_value_is_the_one_of_the_scope() {
    let (app, (concrete, bound)) = start(|reg| {
        let concrete = reg.scoped(|| Short);
        (concrete, reg.bind_scoped::<dyn Rule, Short>())
    })
    .await
    .unwrap();
    let scope = Scope::new(&app.cx);
    let (concrete, bound) = (scope.get(&concrete).unwrap(), scope.get(&bound).unwrap());
    assert_eq!(Arc::as_ptr(&concrete).cast::<()>(), Arc::as_ptr(&bound).cast::<()>());
}
