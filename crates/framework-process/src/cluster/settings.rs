use std::{
    collections::BTreeMap, num::NonZeroUsize, thread::available_parallelism, time::Duration,
};

use framework_config::{ByteSize, Faults, Settings, duration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RecycleLimits, RestartPolicy};

/// Several processes of one application: section `cluster`. It takes effect with `--cluster`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClusterSettings {
    /// How many workers there are; without it, as many as there are processors for the process.
    /// Can change while the application runs.
    pub workers: Option<NonZeroUsize>,
    /// How often each worker says that it lives.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub heartbeat: Duration,
    /// How long a worker may be silent before it is replaced.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub silence: Duration,
    /// How often each worker is asked how healthy it is.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub health_interval: Duration,
    /// How long a worker may take to be ready.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub boot_timeout: Duration,
    /// How long a new worker has to be well before the one that it replaces is let go.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub min_ready: Duration,
    /// How soon, and how often, workers that end are started again.
    pub restart: RestartSettings,
    /// When workers are replaced though they are well.
    pub recycle: RecycleSettings,
    /// How connections come to the workers.
    pub accept: Accept,
    /// The servers whose socket all workers share, whatever `accept` says, by the names of their
    /// modules.
    pub shared: Vec<String>,
    /// Variables in the environment of every worker.
    pub env: BTreeMap<String, String>,
    /// Keys of the configuration of every worker, as `--set` sets them.
    pub set: BTreeMap<String, String>,
    /// What is different for the worker in a slot, by its number from 0.
    pub slots: BTreeMap<String, SlotSettings>,
}

/// How soon, and how often, workers that end are started again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RestartSettings {
    /// How many restarts of all workers in a `window` are usual; without it, ten, or three for each
    /// worker. With more, workers are started no sooner than half a minute after they ended.
    pub max: Option<usize>,
    /// How far back restarts are counted.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub window: Duration,
    /// The wait before the second restart of a slot in a row; it doubles each time, up to 30s. 0s:
    /// every restart is immediate.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub backoff: Duration,
}

/// When workers are replaced though they are well: one at a time, the new one first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RecycleSettings {
    /// After so many requests, up to a tenth more.
    pub requests: Option<u64>,
    /// At this age, up to a tenth more.
    #[serde(with = "duration::optional")]
    #[schemars(with = "Option<String>")]
    pub age: Option<Duration>,
    /// With so much memory in use.
    #[schemars(with = "Option<String>")]
    pub memory: Option<ByteSize>,
    /// With so much in use it is not waited for: it is killed, and started again.
    #[schemars(with = "Option<String>")]
    pub memory_max: Option<ByteSize>,
}

/// How connections come to the workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Accept {
    /// Each worker has a socket of its own, between which the kernel spreads them evenly.
    #[default]
    Slots,
    /// All workers accept from one socket, and some get more than others.
    Shared,
}

/// What is different for the worker in one slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SlotSettings {
    /// Variables in its environment.
    pub env: BTreeMap<String, String>,
    /// Keys of its configuration.
    pub set: BTreeMap<String, String>,
}

impl Default for RestartSettings {
    fn default() -> Self {
        let RestartPolicy { window, backoff, .. } = RestartPolicy::for_workers(1);
        Self { max: None, window, backoff }
    }
}

impl Default for ClusterSettings {
    fn default() -> Self {
        Self {
            workers: None,
            heartbeat: Duration::from_secs(1),
            silence: Duration::from_secs(5),
            health_interval: Duration::from_secs(30),
            boot_timeout: Duration::from_secs(60),
            min_ready: Duration::from_secs(1),
            restart: RestartSettings::default(),
            recycle: RecycleSettings::default(),
            accept: Accept::default(),
            shared: vec!["admin".to_owned()],
            env: BTreeMap::new(),
            set: BTreeMap::new(),
            slots: BTreeMap::new(),
        }
    }
}

impl Settings for ClusterSettings {
    fn validate(&self, faults: &mut Faults) {
        let times = [
            ("heartbeat", self.heartbeat),
            ("health_interval", self.health_interval),
            ("boot_timeout", self.boot_timeout),
            ("restart.window", self.restart.window),
        ];
        for (key, time) in times {
            if time.is_zero() {
                faults.add(key, "must be longer than 0s");
            }
        }
        if self.silence <= self.heartbeat {
            faults.add("silence", "must be longer than `cluster.heartbeat`").with("heartbeat");
        }
        let RecycleSettings { memory, memory_max, .. } = self.recycle;
        if memory.zip(memory_max).is_some_and(|(soft, hard)| soft >= hard) {
            faults
                .add("recycle.memory", "must be less than `cluster.recycle.memory_max`")
                .with("recycle.memory_max");
        }
        for slot in self.slots.keys().filter(|slot| slot.parse::<u32>().is_err()) {
            faults.add(&format!("slots.{slot}"), "must be the number of a slot, like \"0\"");
        }
    }

    // What is for the workers takes effect when they are replaced: `restart` does that.
    fn restart_keys() -> &'static [&'static str] {
        &["accept", "shared"]
    }
}

impl ClusterSettings {
    /// How many workers there are: `wanted` if somebody says so, else as the settings say.
    #[must_use]
    pub fn workers(&self, wanted: Option<NonZeroUsize>) -> usize {
        let cores = || available_parallelism().unwrap_or(NonZeroUsize::MIN);
        wanted.or(self.workers).unwrap_or_else(cores).get()
    }

    /// How soon, and how often, workers are started again.
    #[must_use]
    pub fn restart_policy(&self, workers: usize) -> RestartPolicy {
        let RestartSettings { max, window, backoff } = self.restart;
        let usual = RestartPolicy::for_workers(workers);
        RestartPolicy { max: max.unwrap_or(usual.max), window, backoff }
    }

    /// When workers are replaced though they are well.
    #[must_use]
    pub fn recycle_limits(&self) -> RecycleLimits {
        let RecycleSettings { requests, age, memory, memory_max } = self.recycle;
        let bytes = |size: Option<ByteSize>| size.map(|size| size.bytes());
        RecycleLimits { requests, age, memory: bytes(memory), memory_max: bytes(memory_max) }
    }

    /// The variables and keys of the worker in `slot`, those for all workers first.
    pub(super) fn of_slot(&self, slot: u32) -> SlotSettings {
        let mut all = SlotSettings { env: self.env.clone(), set: self.set.clone() };
        if let Some(own) = self.slots.get(&slot.to_string()) {
            all.env.extend(own.env.clone());
            all.set.extend(own.set.clone());
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_has_what_all_have_and_its_own_counts_more() {
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let settings = ClusterSettings {
            env: map(&[("A", "1"), ("B", "1")]),
            set: map(&[("x.y", "1")]),
            slots: [(
                "1".to_owned(),
                SlotSettings { env: map(&[("B", "2")]), set: map(&[("x.z", "3")]) },
            )]
            .into(),
            ..ClusterSettings::default()
        };
        assert_eq!(settings.of_slot(0).env, map(&[("A", "1"), ("B", "1")]));
        assert_eq!(settings.of_slot(1).env, map(&[("A", "1"), ("B", "2")]));
        assert_eq!(settings.of_slot(1).set, map(&[("x.y", "1"), ("x.z", "3")]));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let settings = ClusterSettings {
            silence: Duration::from_millis(500),
            heartbeat: Duration::from_secs(1),
            boot_timeout: Duration::ZERO,
            recycle: RecycleSettings {
                memory: Some(ByteSize::mib(2)),
                memory_max: Some(ByteSize::mib(2)),
                ..RecycleSettings::default()
            },
            slots: [("first".to_owned(), SlotSettings::default())].into(),
            ..ClusterSettings::default()
        };
        let mut faults = Faults::new();
        settings.validate(&mut faults);
        let found: Vec<_> = faults.iter().map(|fault| fault.key().to_owned()).collect();
        assert_eq!(found, ["boot_timeout", "silence", "recycle.memory", "slots.first"]);
    }

    #[test]
    fn how_many_workers_there_are_is_said_in_three_places() {
        let number = |number| NonZeroUsize::new(number);
        let settings = ClusterSettings { workers: number(3), ..ClusterSettings::default() };
        assert_eq!((settings.workers(None), settings.workers(number(5))), (3, 5));
        assert!(ClusterSettings::default().workers(None) >= 1);
    }
}
