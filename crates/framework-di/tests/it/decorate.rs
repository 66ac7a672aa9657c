use std::sync::Arc;

use framework_di::{InjectExt, Name, Named, Scope, interface};

use crate::app::start;

#[interface]
trait Text: Send + Sync {
    fn text(&self) -> String;
}

struct Plain;

impl Text for Plain {
    fn text(&self) -> String {
        "text".to_owned()
    }
}

struct Around(Arc<dyn Text>, String);

impl Text for Around {
    fn text(&self) -> String {
        format!("{}({})", self.1, self.0.text())
    }
}

struct Second;

impl Name for Second {
    const NAME: &'static str = "second";
}

#[tokio::test]
async fn later_decorators_wrap_earlier_ones_and_are_given_what_they_take() {
    let (app, ()) = start(|reg| {
        reg.decorate(|inner: Arc<dyn Text>| -> Arc<dyn Text> {
            Arc::new(Around(inner, "first".to_owned()))
        });
        reg.inject(|| Plain);
        reg.bind::<dyn Text, Plain>();
        reg.inject(|| 2_u8);
        reg.decorate(|inner: Arc<dyn Text>, n: Arc<u8>| -> Arc<dyn Text> {
            Arc::new(Around(inner, n.to_string()))
        });
    })
    .await
    .unwrap();
    assert_eq!(app.get::<dyn Text>().text(), "2(first(text))");
}

#[tokio::test]
async fn a_decorator_of_a_name_leaves_the_others_alone() {
    let (app, ()) = start(|reg| {
        reg.inject(|| 1_u8);
        reg.inject_named(Second, || 2_u8);
        reg.named(Second).decorate(|inner: Arc<u8>| Arc::new(*inner * 10));
        reg.inject(|one: Arc<u8>, second: Named<u8, Second>| [*one, **second]);
    })
    .await
    .unwrap();
    assert_eq!(*app.get::<[u8; 2]>(), [1, 20]);
}

#[tokio::test]
async fn a_decorator_of_a_scoped_value_takes_others_of_the_same_scope() {
    let (app, (text, number)) = start(|reg| {
        let text = reg.scoped(|| String::from("scoped"));
        let number = reg.scope_seed::<u8>();
        reg.decorate(|inner: Arc<String>, number: Arc<u8>| Arc::new(format!("{inner} {number}")));
        (text, number)
    })
    .await
    .unwrap();
    for n in [1, 2] {
        let scope = Scope::new(&app.cx);
        scope.insert(&number, Arc::new(n)).unwrap();
        assert_eq!(*scope.get(&text).unwrap(), format!("scoped {n}"));
    }
}
