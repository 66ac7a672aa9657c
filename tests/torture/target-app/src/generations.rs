use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use framework::{
    config::{ConfigHandle, Prepared, ReloadOutcome},
    core::is_planted,
    prelude::*,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// One half of a number that must be seen whole: section `left`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LeftSettings {
    /// The number, the same as in `right`.
    pub number: u64,
    /// Anything, for configurations of any size.
    pub words: Vec<String>,
}

/// The other half: section `right`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RightSettings {
    /// The number, the same as in `left`.
    pub number: u64,
    /// Whether the owner of this section speaks against the change.
    pub refused: bool,
}

impl Settings for LeftSettings {}
impl Settings for RightSettings {}

/// Tells which configuration answers a request.
#[derive(Clone, Copy, Debug)]
pub struct Generations;

/// Owns `right`, and refuses what says that it is to be refused. It is asked last.
#[derive(Clone, Copy, Debug)]
pub struct Judge;

/// What `GET /generation` reads.
#[derive(Clone)]
struct GenerationState {
    handle: Arc<ConfigHandle>,
    left: Config<LeftSettings>,
    right: Config<RightSettings>,
    applied: Arc<AtomicU64>,
    slowest_micros: Arc<AtomicU64>,
}

impl Module for Generations {
    fn name(&self) -> &'static str {
        "generations"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        let left = reg.config::<LeftSettings>("left");
        let right = reg.config::<RightSettings>("right");
        let handle = reg.need::<ConfigHandle>();
        let (applied, slowest_micros) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());

        let (first, first_left) = (Arc::clone(&applied), left.clone());
        reg.setup("use-the-number", move |_cx| async move {
            first.store(first_left.get().number, Ordering::SeqCst);
            Ok(())
        });
        let place = Arc::clone(&applied);
        reg.on_reload(&left, move |_cx, _old, new| {
            let place = Arc::clone(&place);
            async move {
                // As a module that uses a new value while others may still refuse the change.
                if is_planted("swap-before-veto") {
                    place.store(new.number, Ordering::SeqCst);
                    return Ok(Prepared::nothing());
                }
                Ok(Prepared::new(move || place.store(new.number, Ordering::SeqCst)))
            }
        });

        let (observed, slowest) = (handle.clone(), Arc::clone(&slowest_micros));
        reg.setup("time-reloads", move |cx| async move {
            cx.get(&observed).observe(move |record| {
                let took = u64::try_from(record.took.as_micros()).unwrap_or(u64::MAX);
                slowest.fetch_max(took, Ordering::SeqCst);
            });
            Ok(())
        });

        let routes = Router::new()
            .route("/generation", get(generation))
            .route("/configuration", get(configuration))
            .route("/reload", post(reload));
        reg.routes_with(routes, move |cx| {
            let handle = cx.get(&handle);
            let (left, right) = (left.clone(), right.clone());
            let (applied, slowest_micros) = (Arc::clone(&applied), Arc::clone(&slowest_micros));
            Ok(GenerationState { handle, left, right, applied, slowest_micros })
        });
    }
}

impl Module for Judge {
    fn name(&self) -> &'static str {
        "judge"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        reg.after::<Generations>();
        let right = reg.config::<RightSettings>("right");
        reg.on_reload(&right, |_cx, _old, new| async move {
            // Whoever has used the new value too early is seen meanwhile.
            tokio::time::sleep(Duration::from_millis(2)).await;
            if new.refused {
                return Err("it says that it is to be refused".into());
            }
            Ok(Prepared::nothing())
        });
    }
}

/// Reads both halves from one snapshot, with other tasks coming in between.
async fn generation(State(state): State<GenerationState>) -> Result<Json<Value>, Problem> {
    let snapshot = state.handle.snapshot().ok_or_else(Problem::not_found)?;
    let left = state.left.in_snapshot(&snapshot).number;
    tokio::task::yield_now().await;
    let right = state.right.in_snapshot(&snapshot).number;
    Ok(Json(json!({
        "generation": snapshot.generation(),
        "hash": snapshot.report().hash(),
        "left": left,
        "right": right,
        "applied": state.applied.load(Ordering::SeqCst),
    })))
}

async fn configuration(State(state): State<GenerationState>) -> Result<Json<Value>, Problem> {
    let snapshot = state.handle.snapshot().ok_or_else(Problem::not_found)?;
    Ok(Json(json!({
        "generation": snapshot.generation(),
        "hash": snapshot.report().hash(),
        "values": snapshot.report().to_json(),
        "slowest_reload_seconds":
            Duration::from_micros(state.slowest_micros.load(Ordering::SeqCst)).as_secs_f64(),
    })))
}

/// Reads the configuration again, and says what became of it.
async fn reload(State(state): State<GenerationState>) -> Json<Value> {
    let record = state.handle.reload().await;
    Json(json!({
        "outcome": record.outcome.label(),
        "generation": record.generation,
        "rejected": matches!(record.outcome, ReloadOutcome::Rejected(_)),
    }))
}
