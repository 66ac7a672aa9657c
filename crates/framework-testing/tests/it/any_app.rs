//! Applications that nobody thought of.

use std::time::Duration;

use framework_app::{App, AppBuilder};
use framework_core::{
    Context, Intensity, Module, NeedMode, ProviderSpec, Registrar, Strategy, Supervision,
};
use framework_testing::{FaultKind, LifecycleSafety};
use proptest::{
    collection::vec,
    prelude::{Just, ProptestConfig, any, prop_assert, prop_assert_eq, prop_oneof, proptest},
    strategy::Strategy as Generator,
};

const NAMES: [&str; 5] = ["m0", "m1", "m2", "m3", "m4"];

/// A module of a generated application.
#[derive(Clone, Debug)]
struct Any {
    name: &'static str,
    /// Which of the modules before it it needs, by bits; and which of those it can do without.
    needs: u8,
    softly: u8,
    optional: bool,
    pieces: Vec<Piece>,
}

#[derive(Clone, Copy, Debug)]
enum Piece {
    Setup { ms: u8, defers: bool },
    Run { defers: bool },
    Supervised { temporary: bool, defers: bool },
    Pair,
    Teardown { ms: u8 },
    Task,
}

async fn work(cx: Context, ms: u8, defers: bool) -> Result<(), framework_core::BoxError> {
    if defers {
        cx.defer("clean-up", || async { Ok(()) });
    }
    tokio::time::sleep(Duration::from_millis(ms.into())).await;
    Ok(())
}

async fn until_asked(cx: Context) -> Result<(), framework_core::BoxError> {
    cx.shutdown().await;
    Ok(())
}

impl Module for Any {
    fn name(&self) -> &'static str {
        self.name
    }

    fn register(self, reg: &mut Registrar<'_>) {
        let spec = ProviderSpec::singleton().name(Some(self.name));
        drop(reg.provide_with::<u8, _, _, _>(
            spec,
            |_reg| (),
            |_cx, ()| async { Ok(std::sync::Arc::new(0)) },
        ));
        for (n, other) in NAMES.into_iter().enumerate() {
            let mode = match (self.needs >> n & 1, self.softly >> n & 1) {
                (0, _) => continue,
                (_, 0) => NeedMode::Required,
                (_, _) => NeedMode::Optional,
            };
            drop(reg.need_with::<u8>(Some(other), mode));
        }
        if self.optional {
            reg.optional();
        }
        for piece in self.pieces {
            piece.register(reg);
        }
    }
}

impl Piece {
    fn register(self, reg: &mut Registrar<'_>) {
        match self {
            Self::Setup { ms, defers } => reg.setup("setup", move |cx| work(cx, ms, defers)),
            Self::Run { defers } => reg.run("run", move |cx| async move {
                work(cx.clone(), 1, defers).await?;
                Ok(until_asked(cx))
            }),
            Self::Supervised { temporary, defers } => {
                let policy =
                    if temporary { Supervision::temporary() } else { Supervision::permanent() };
                let name = if temporary { "temporary" } else { "permanent" };
                reg.supervise(name, policy, move |cx| async move {
                    work(cx.clone(), 1, defers).await?;
                    Ok(until_asked(cx))
                });
            }
            Self::Pair => reg.group("pair", Strategy::OneForAll, Intensity::default(), |reg| {
                for name in ["left", "right"] {
                    reg.supervise(name, Supervision::permanent(), |cx| async move {
                        work(cx.clone(), 0, true).await?;
                        Ok(until_asked(cx))
                    });
                }
            }),
            Self::Teardown { ms } => reg.teardown("teardown", move |cx| work(cx, ms, false)),
            Self::Task => reg.setup("spawn", |cx| async move {
                let asked = cx.clone();
                cx.spawn("task", async move { until_asked(asked).await });
                Ok(())
            }),
        }
    }
}

fn piece() -> impl Generator<Value = Piece> {
    prop_oneof![
        (0_u8..20, any::<bool>()).prop_map(|(ms, defers)| Piece::Setup { ms, defers }),
        any::<bool>().prop_map(|defers| Piece::Run { defers }),
        (any::<bool>(), any::<bool>())
            .prop_map(|(temporary, defers)| Piece::Supervised { temporary, defers }),
        Just(Piece::Pair),
        (0_u8..20).prop_map(|ms| Piece::Teardown { ms }),
        Just(Piece::Task),
    ]
}

/// Modules each of which needs some of those before it.
fn modules() -> impl Generator<Value = Vec<Any>> {
    let one = (any::<u8>(), any::<u8>(), any::<bool>(), vec(piece(), 0..4));
    vec(one, 2..=NAMES.len()).prop_map(|parts| {
        let modules =
            parts.into_iter().enumerate().map(|(n, (needs, softly, optional, pieces))| {
                let needs = needs & ((1 << n) - 1);
                // Units of one name would be one piece of code to the report.
                let mut seen = Vec::new();
                let kind = |piece: &Piece| std::mem::discriminant(piece);
                let mut pieces: Vec<Piece> = pieces;
                pieces.retain(|piece| {
                    !seen.contains(&kind(piece)) && {
                        seen.push(kind(piece));
                        true
                    }
                });
                Any { name: NAMES[n], needs, softly, optional, pieces }
            });
        modules.collect()
    })
}

fn build(modules: &[Any]) -> AppBuilder {
    App::builder("any").modules(modules.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_application_is_safe(modules in modules(), twice: bool) {
        let safety = LifecycleSafety::new(|| build(&modules));
        let safety = if twice { safety } else { safety.once() };
        let report = safety.run();
        prop_assert!(report.violations().is_empty(), "{report}");
        prop_assert_eq!(report.left_out(), 0);
        prop_assert!(report.runs() > report.points().len() * FaultKind::ALL.len());
    }
}
