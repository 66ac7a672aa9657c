use std::{marker::PhantomData, sync::Arc};

use framework_core::{Context, Registrar};
use framework_di::{All, Inject, InjectExt, Lazy, Name, Named, Provide, Resolver};

use crate::app::{plan, start};

struct Pool(&'static str);

struct Replica;

impl Name for Replica {
    const NAME: &'static str = "replica";
}

/// One field of each sort.
#[derive(Inject)]
struct Everything {
    pool: Arc<Pool>,
    #[inject(name = "replica")]
    replica: Arc<Pool>,
    #[inject(name = "absent")]
    absent: Option<Arc<Pool>>,
    named: Named<Pool, Replica>,
    lazy: Lazy<u16>,
    all: All<Pool>,
    nested: Nested,
    cx: Context,
    #[inject(default)]
    hits: u32,
    #[inject(with = describe)]
    text: String,
    #[inject(with = || 3)]
    r#type: u8,
}

#[derive(Clone, Inject)]
struct Nested(Arc<u8>, Option<Arc<i8>>);

#[derive(Inject)]
struct Nothing;

#[derive(Inject)]
struct Repository<S: ?Sized, const N: usize>
where
    S: Send,
{
    store: Arc<S>,
    #[inject(default)]
    limit: [PhantomData<S>; N],
}

fn describe(pool: Arc<Pool>, n: Arc<u8>) -> String {
    format!("{} {n}", pool.0)
}

fn provide(reg: &mut Registrar<'_>) {
    reg.inject(|| Pool("main"));
    reg.inject_named(Replica, || Pool("replica"));
    reg.inject(|| 1_u8);
    reg.inject(|| 2_u16);
}

#[tokio::test]
async fn each_field_of_a_struct_is_given_what_it_asks_for() {
    let (app, made) = start(|reg| {
        provide(reg);
        reg.inject_type::<Everything>()
    })
    .await
    .unwrap();
    let made = app.cx.get(&made);
    assert_eq!(made.pool.0, "main");
    assert_eq!([made.replica.0, made.named.0], ["replica"; 2]);
    assert!(made.absent.is_none());
    assert_eq!(*made.lazy.get().await.unwrap(), 2);
    assert_eq!(made.all.len(), 2);
    assert_eq!((*made.nested.0, made.nested.1.is_none()), (1, true));
    assert_eq!(made.cx.module(), "test");
    assert_eq!((made.hits, made.text.as_str(), made.r#type), (0, "main 1", 3));
}

#[tokio::test]
async fn a_struct_may_be_generic() {
    let (app, ()) = start(|reg| {
        reg.inject_arc(|| -> Arc<str> { "abc".into() });
        reg.inject_type::<Repository<str, 2>>();
        reg.inject(|_: Nothing| ());
    })
    .await
    .unwrap();
    let made = app.get::<Repository<str, 2>>();
    assert_eq!((&*made.store, made.limit.len()), ("abc", 2));
}

#[tokio::test]
async fn an_expansion_names_the_crate_that_it_is_told_to() {
    /// As an application sees it that only depends on a facade.
    mod facade {
        pub(super) use framework_di as di;
    }

    #[derive(Inject)]
    #[inject(crate = facade::di)]
    struct State(Arc<u8>);

    #[facade::di::interface(crate = facade::di)]
    trait Number: Send + Sync {}

    impl Number for u8 {}

    let (app, ()) = start(|reg| {
        reg.inject(|| 7_u8);
        reg.bind::<dyn Number, u8>();
        reg.inject_type::<State>();
    })
    .await
    .unwrap();
    assert_eq!(*app.get::<State>().0, 7);
}

#[tokio::test]
async fn a_struct_is_an_argument_like_any_other() {
    let (app, ()) = start(|reg| {
        provide(reg);
        reg.inject(|nested: Nested| u32::from(*nested.0));
    })
    .await
    .unwrap();
    assert_eq!(*app.get::<u32>(), 1);
}

#[tokio::test]
async fn a_layer_declares_a_state_and_resolves_it_later() {
    let (app, needs) = start(|reg| {
        provide(reg);
        Nested::declare(reg)
    })
    .await
    .unwrap();
    let state = Nested::resolve(&needs, &Resolver::new(&app.cx)).unwrap();
    assert!(Arc::ptr_eq(&state.0, &app.get::<u8>()));
}

#[test]
fn a_state_provides_each_type_that_only_one_field_has() {
    #[derive(Inject)]
    #[expect(dead_code, reason = "only its traits are looked at")]
    struct State {
        text: Arc<String>,
        dynamic: Arc<dyn Send + Sync>,
        one: Arc<u8>,
        other: Arc<u8>,
        main: Arc<Pool>,
        #[inject(name = "replica")]
        replica: Arc<Pool>,
    }

    /// Without `Provide<u8>` for `S`, this one is found.
    trait Fallback {
        fn has_u8(&self) -> bool {
            false
        }
    }
    impl<S> Fallback for &S {}

    struct Probe<S>(S);
    impl<S: Provide<u8>> Probe<S> {
        #[expect(dead_code, reason = "it is there to be preferred")]
        fn has_u8(&self) -> bool {
            true
        }
    }

    let state = State {
        text: Arc::new("text".to_owned()),
        dynamic: Arc::new(()),
        one: Arc::new(1),
        other: Arc::new(2),
        main: Arc::new(Pool("main")),
        replica: Arc::new(Pool("replica")),
    };
    assert_eq!(*Provide::<String>::provide(&state).as_str(), *"text");
    let _: &Arc<dyn Send + Sync> = state.provide();
    let main: &Arc<Pool> = state.provide();
    assert_eq!(main.0, "main", "a field with a name of its own does not count");
    assert!(!(&Probe(state)).has_u8());
}

#[test]
fn an_issue_names_the_line_that_declared_the_state() {
    let line = line!() + 3;
    let error = plan(|reg| {
        provide(reg);
        let _ = Lost::declare(reg);
    })
    .unwrap_err()
    .to_string();
    assert!(error.contains("nothing provides `u64`"), "{error}");
    assert!(error.contains(&format!("tests/it/derive.rs:{line}")), "{error}");
}

#[derive(Inject)]
struct Lost(Arc<u8>, Arc<u64>);
