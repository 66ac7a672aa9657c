use std::{sync::Arc, time::Duration};

use framework::{
    config::duration,
    core::{BoxModule, Modules},
    http::HttpModule,
    prelude::*,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Sin;

/// How the target starts: section `boot`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BootSettings {
    /// How long each of the sixteen steps of the start takes. Defaults to nothing at all.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub step: Duration,
    /// What it does wrong when it is set up. Defaults to nothing.
    pub sin: Sin,
}

impl Settings for BootSettings {}

/// The modules that make the start take sixteen steps, one after the other, so that a signal can
/// come between any two of them; and one after the server that does what this executable does wrong.
#[must_use]
pub fn boot(sin: Sin) -> impl Modules {
    vec![
        BoxModule::new(module_fn("sin", move |reg| {
            // By then the server has its sockets, and something to undo.
            reg.after::<HttpModule>();
            let settings = reg.config::<BootSettings>("boot");
            reg.setup("sin", move |_cx| async move {
                sin.in_setup().await?;
                settings.get().sin.in_setup().await
            });
        })),
        BoxModule::new(module_fn("boot-one", |reg| {
            reg.provide_value(Arc::new(Started::<0>));
            link::<0, 1>(reg);
        })),
        BoxModule::new(module_fn("boot-two", link::<1, 2>)),
        BoxModule::new(module_fn("boot-three", link::<2, 3>)),
        BoxModule::new(module_fn("boot-four", link::<3, 4>)),
    ]
}

/// That the link with this number has started.
struct Started<const N: usize>;

fn link<const BEFORE: usize, const N: usize>(reg: &mut Registrar<'_>) {
    let settings = reg.config::<BootSettings>("boot");
    let before = reg.need::<Started<BEFORE>>();
    let own = settings.clone();
    reg.provide(move |cx| async move {
        let _ = cx.get(&before);
        tokio::time::sleep(own.get().step).await;
        Ok(Started::<N>)
    });
    for step in ["connect", "migrate", "warm-up"] {
        let settings = settings.clone();
        reg.setup(step, move |_cx| async move {
            tokio::time::sleep(settings.get().step).await;
            Ok(())
        });
    }
    reg.teardown("leave", |_cx| async { Ok(()) });
}
