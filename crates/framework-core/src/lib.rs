//! What a module is and how modules relate: the vocabulary every layer shares.
//!
//! A [`Module`] declares, once and without doing any I/O, what it offers and what it uses. There
//! are three relations, and each is typed:
//!
//! | relation | write | read | who starts first |
//! |---|---|---|---|
//! | one value for all | [`Registrar::provide`] | [`Registrar::need`] | the provider |
//! | many values for one reader | [`Registrar::contribute`] | [`Registrar::collect`] | set by [`Contribution::ORDER`] |
//! | running code | [`Registrar::setup`], [`Registrar::run`], [`Registrar::teardown`] | | as its module |
//!
//! A layer adds its own words on top: it defines a [`Contribution`] and an extension trait on
//! [`Registrar`]. This crate never learns of them. It performs no I/O and spawns nothing:
//! `framework-registry` turns [`Declarations`] into a plan, `framework-app` runs the plan.
//!
//! # Examples
//!
//! ```
//! use framework_core::{Module, Registrar};
//!
//! struct Greeting;
//!
//! impl Module for Greeting {
//!     fn name(&self) -> &'static str {
//!         "greeting"
//!     }
//!
//!     fn register(self, reg: &mut Registrar<'_>) {
//!         let text = reg.provide(|_cx| async { Ok(String::from("hello")) });
//!         reg.setup("say-it", move |cx| async move {
//!             assert_eq!(*cx.get(&text), "hello");
//!             Ok(())
//!         });
//!     }
//! }
//! ```

#![deny(missing_docs)]

mod clock;
mod cluster;
mod context;
mod contribution;
mod declarations;
mod environment;
mod error;
mod event;
mod gate;
mod health;
mod inspect;
mod issue;
mod key;
mod key_index;
mod lifecycle;
mod load;
mod module;
mod need;
mod planted;
mod provider;
mod registrar;
mod request;
mod sharded;
mod slot;
mod sockets;
mod supervision;
mod trace_parent;
mod unit;

pub use self::{
    clock::{Clock, SystemClock},
    cluster::{ClusterQuestion, ClusterView},
    context::{Context, Deferred},
    contribution::{Collected, Contributed, Contribution, Order, Unclaimed},
    declarations::{
        Declarations, DecoratorRecord, GateReport, KeyId, KindRecord, ModuleBudget, ModuleId,
        ModuleRecord, ModuleRelation, NeedMode, NeedRecord, NeededBy, ProviderId, ProviderRecord,
        Relation,
    },
    environment::{Environment, SlotTable, Spawn},
    error::{BoxError, Chain, Contain, CutShort, PanicError, contain},
    event::{EventKind, LifecycleEvent, Observe, Outcome},
    gate::GateView,
    health::{Check, DynCheck, Health, HealthStatus},
    inspect::Inspect,
    issue::{ErrorCode, Issue, Place},
    key::{Key, short_type_name},
    lifecycle::{Lifecycle, ModuleState, ModuleStatus, Phase, ShutdownReason, Startup},
    load::{LoadControl, LoadLimits, Priority},
    module::{BoxModule, Module, ModuleExt, ModuleFn, Modules, module_fn},
    need::{AllNeed, Need, OptionalNeed},
    planted::is_planted,
    provider::{Lifetime, ProviderSpec, Role},
    registrar::Registrar,
    request::{
        CurrentRequest, EnteredRequest, Moment, Outgoing, REQUEST_TARGET, RequestContext, ShortText,
    },
    sharded::{Shard, Sharded},
    slot::{AnySlot, DeferredError, Slot},
    sockets::{LentSocket, SocketSource},
    supervision::{Intensity, Restart, Strategy, Supervision},
    trace_parent::{TraceParent, TraceParentError},
    unit::{BoxFuture, Construct, Group, GroupId, OnceFn, RepeatFn, RunFuture, Stage, Unit, Work},
};
