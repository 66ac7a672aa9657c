use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn rules() -> Rules {
    Rules {
        restart: RestartPolicy::for_workers(4),
        boot_timeout: Duration::from_secs(60),
        min_ready: Duration::from_secs(1),
        silence: Duration::from_secs(5),
        stop_timeout: Duration::from_secs(25),
        recycle: RecycleLimits::default(),
    }
}

/// How a worker that is started behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Behaviour {
    Well,
    DiesAtBoot(u8),
    DiesAfter(Duration),
    NeverReady,
    Unhealthy,
    DoesNotStop,
    Silent,
}

/// Processes that are none, and a clock that is set by hand.
struct World {
    supervisor: Supervisor,
    start: Instant,
    now: Instant,
    behaviour: Box<dyn Fn(u32, u32) -> Behaviour>,
    alive: BTreeMap<WorkerId, (Behaviour, Instant)>,
    log: Vec<Action>,
    notices: Vec<Notice>,
    fewest: usize,
    most: usize,
    requests: u64,
    memory: BTreeMap<WorkerId, u64>,
}

const BOOT: Duration = Duration::from_millis(100);
const STEP: Duration = Duration::from_millis(50);

impl World {
    fn new(workers: usize, rules: Rules) -> Self {
        let now = Instant::now();
        let mut world = Self {
            supervisor: Supervisor::new(rules, 7, now),
            start: now,
            now,
            behaviour: Box::new(|_, _| Behaviour::Well),
            alive: BTreeMap::new(),
            log: Vec::new(),
            notices: Vec::new(),
            fewest: usize::MAX,
            most: 0,
            requests: 0,
            memory: BTreeMap::new(),
        };
        world.supervisor.scale(workers, now);
        world
    }

    fn up(workers: usize) -> Self {
        let mut world = Self::new(workers, rules());
        world.run(Duration::from_secs(2));
        assert!(world.supervisor.is_complete());
        world
    }

    fn behaving(mut self, behaviour: impl Fn(u32, u32) -> Behaviour + 'static) -> Self {
        self.behaviour = Box::new(behaviour);
        self
    }

    fn perform(&mut self) {
        self.notices.extend(self.supervisor.take_notices());
        for action in self.supervisor.take_actions() {
            self.log.push(action);
            match action {
                Action::Launch { id, slot, generation } => {
                    self.alive.insert(id, ((self.behaviour)(slot, generation), self.now));
                }
                Action::Stop(id) if self.is(id, Behaviour::DoesNotStop) => {}
                Action::Stop(id) if self.is(id, Behaviour::Silent) => {}
                Action::Stop(id) => self.end(id, Ended::Code(0)),
                Action::Abort(id) if !self.is(id, Behaviour::Silent) => {
                    self.end(id, Ended::Signal(6));
                }
                Action::Kill(id) => self.end(id, Ended::Signal(9)),
                Action::Probe(id) => {
                    let ill = [Behaviour::Unhealthy, Behaviour::Silent];
                    let healthy = !ill.into_iter().any(|it| self.is(id, it));
                    self.supervisor.event(Event::Probed(id, healthy), self.now);
                }
                Action::Abort(_)
                | Action::Dump(_)
                | Action::Lend { .. }
                | Action::Return { .. } => {}
            }
        }
    }

    fn is(&self, id: WorkerId, behaviour: Behaviour) -> bool {
        self.alive.get(&id).is_some_and(|(it, _)| *it == behaviour)
    }

    fn end(&mut self, id: WorkerId, ended: Ended) {
        if self.alive.remove(&id).is_some() {
            self.supervisor.event(Event::Exited(id, ended), self.now);
        }
    }

    fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.perform();
            self.now += STEP;
            let all: Vec<_> = self.alive.iter().map(|(id, it)| (*id, *it)).collect();
            for (id, (behaviour, began)) in all {
                let age = self.now - began;
                match behaviour {
                    Behaviour::DiesAtBoot(code) if age >= BOOT => self.end(id, Ended::Code(code)),
                    Behaviour::DiesAfter(life) if age >= life => self.end(id, Ended::Signal(11)),
                    Behaviour::NeverReady | Behaviour::DiesAtBoot(_) => {}
                    Behaviour::Silent if age > BOOT => {}
                    _ if age >= BOOT => {
                        self.supervisor.event(Event::Ready(id), self.now);
                        let rss = self.memory.get(&id).copied().unwrap_or(0);
                        let beat = Beat { rss, requests: self.requests };
                        self.supervisor.event(Event::Beat(id, beat), self.now);
                    }
                    _ => {}
                }
            }
            self.supervisor.tick(self.now);
            let serving = self.supervisor.workers.values().filter(|it| it.serves()).count();
            (self.fewest, self.most) =
                (self.fewest.min(serving), self.most.max(self.supervisor.workers.len()));
        }
        self.perform();
    }

    fn watch(&mut self) {
        (self.fewest, self.most) = (usize::MAX, 0);
        self.log.clear();
        self.notices.clear();
    }

    fn current(&self, slot: usize) -> WorkerId {
        self.supervisor.slots[slot].current.unwrap()
    }

    fn launches(&self) -> usize {
        self.log.iter().filter(|it| matches!(it, Action::Launch { .. })).count()
    }

    fn generations(&self) -> Vec<u32> {
        let current = self.supervisor.slots.iter().filter_map(|slot| slot.current);
        current.map(|id| self.supervisor.workers[&id].generation).collect()
    }
}

#[test]
fn a_worker_that_dies_is_started_again_at_once() {
    let mut world = World::up(4);
    let victim = world.current(2);
    world.watch();
    world.end(victim, Ended::Signal(9));
    world.perform();
    assert!(matches!(world.log[..], [Action::Launch { slot: 2, .. }]), "{:?}", world.log);
    world.run(Duration::from_secs(1));
    assert!(world.supervisor.is_complete());
    assert_eq!(world.supervisor.counts().restarts, [("exit", 1)]);
}

#[test]
fn how_a_worker_ended_is_counted() {
    let mut world = World::up(3);
    for (slot, ended) in [(0, Ended::Code(0)), (1, Ended::Code(3)), (2, Ended::Signal(9))] {
        let id = world.current(slot);
        world.end(id, ended);
    }
    world.run(Duration::from_secs(1));
    assert_eq!(world.supervisor.counts().restarts, [("exit", 2), ("left", 1)]);
    world.behaviour = Box::new(|_, _| Behaviour::DiesAtBoot(70));
    let id = world.current(0);
    world.end(id, Ended::Signal(9));
    world.run(Duration::from_secs(1));
    let boots =
        world.supervisor.counts().restarts.into_iter().find(|(reason, _)| *reason == "boot");
    assert!(boots.is_some_and(|(_, count)| count >= 1), "{boots:?}");
}

#[test]
fn one_slot_that_crashes_for_ten_minutes_is_restarted_seldom_and_disturbs_nobody() {
    let mut world = World::up(4).behaving(|slot, _| match slot {
        1 => Behaviour::DiesAfter(Duration::from_millis(150)),
        _ => Behaviour::Well,
    });
    let victim = world.current(1);
    let others = [0, 2, 3].map(|slot| world.current(slot));
    world.watch();
    world.end(victim, Ended::Signal(11));
    world.run(10 * MINUTE);
    assert!((10..=30).contains(&world.launches()), "{} restarts", world.launches());
    assert_eq!([0, 2, 3].map(|slot| world.current(slot)), others);
    assert!(world.fewest >= 3);
    let degraded = world.notices.iter().filter(|it| **it == Notice::Degraded).count();
    assert!(degraded <= 1, "it was said {degraded} times");
    // Whoever the kernel sends to the slot finds somebody, but for the moments before it is lent.
    let last =
        world.log.iter().rev().find(|it| matches!(it, Action::Lend { .. } | Action::Return { .. }));
    assert!(matches!(last, Some(Action::Lend { slot: 1, .. })), "{last:?}");
    world.behaviour = Box::new(|_, _| Behaviour::Well);
    world.run(2 * MINUTE);
    assert!(world.supervisor.is_complete() && !world.supervisor.is_degraded());
    assert!(matches!(world.log.last(), Some(Action::Return { slot: 1, .. })));
}

#[test]
fn many_restarts_are_told_once_and_slow_down() {
    let mut world = World::new(4, rules()).behaving(|slot, _| match slot {
        0 => Behaviour::Well,
        _ => Behaviour::DiesAfter(Duration::from_millis(150)),
    });
    world.run(20 * MINUTE);
    assert!(world.launches() < 3 * 50, "{} launches", world.launches());
    world.behaviour = Box::new(|_, _| Behaviour::Well);
    world.run(3 * MINUTE);
    let told: Vec<_> = world
        .notices
        .iter()
        .filter(|it| matches!(it, Notice::Degraded | Notice::Recovered))
        .collect();
    assert_eq!(told, [&Notice::Degraded, &Notice::Recovered]);
}

#[test]
fn if_no_worker_is_ever_ready_three_attempts_are_enough_and_one_if_it_is_hopeless() {
    for (code, attempts) in [(70, 3), (101, 3), (78, 1), (69, 1)] {
        let mut world = World::new(1, rules()).behaving(move |_, _| Behaviour::DiesAtBoot(code));
        world.run(Duration::from_secs(10));
        let failed = Some(Outcome::Failed(Ended::Code(code)));
        assert_eq!((world.launches(), world.supervisor.outcome()), (attempts, failed));
    }
}

#[test]
fn a_broken_start_of_several_workers_ends_them_all() {
    let mut world = World::new(4, rules()).behaving(|slot, _| match slot {
        3 => Behaviour::DiesAtBoot(78),
        _ => Behaviour::NeverReady,
    });
    world.run(Duration::from_secs(10));
    assert_eq!(world.supervisor.outcome(), Some(Outcome::Failed(Ended::Code(78))));
    assert!(world.alive.is_empty());
}

#[test]
fn a_worker_that_is_not_ready_in_time_is_given_up() {
    let mut world = World::up(2).behaving(|_, _| Behaviour::NeverReady);
    let victim = world.current(0);
    world.end(victim, Ended::Signal(9));
    world.watch();
    world.run(MINUTE + Duration::from_secs(8));
    let stuck = world.log.iter().find_map(|it| match it {
        Action::Launch { id, slot: 0, .. } => Some(*id),
        _ => None,
    });
    assert!(world.log.contains(&Action::Abort(stuck.unwrap())));
    assert!(world.launches() >= 2);
}

#[test]
fn a_roll_starts_first_and_never_has_fewer_workers() {
    let mut world = World::up(4);
    world.watch();
    world.supervisor.roll(world.now);
    world.run(Duration::from_secs(20));
    assert_eq!(world.generations(), [2; 4]);
    assert_eq!((world.fewest, world.most), (4, 5));
    assert_eq!(world.notices.last(), Some(&Notice::Rolled(Ok(2))));
    assert_eq!(world.supervisor.counts().restarts, [("roll", 4)]);
}

#[test]
fn each_new_worker_has_to_be_well_for_a_while_before_the_old_one_is_let_go() {
    let mut world = World::up(1);
    let old = world.current(0);
    world.watch();
    let began = world.now;
    world.supervisor.roll(world.now);
    while !world.log.contains(&Action::Stop(old)) {
        world.run(STEP);
        assert!(world.now - began < MINUTE);
    }
    let took = world.now - began;
    let expected = BOOT + Duration::from_secs(1);
    assert!((expected..expected + 4 * STEP).contains(&took), "{took:?}");
    let probes = world.log.iter().filter(|it| matches!(it, Action::Probe(_))).count();
    assert_eq!(probes, 3);
}

#[test]
fn a_roll_to_a_broken_generation_leaves_the_old_one_in_place_fifty_times() {
    for broken in [
        Behaviour::DiesAtBoot(70),
        Behaviour::NeverReady,
        Behaviour::Unhealthy,
        Behaviour::DiesAfter(Duration::from_millis(400)),
        Behaviour::Silent,
    ] {
        let mut world = World::up(2);
        let before = [world.current(0), world.current(1)];
        world.behaviour = Box::new(move |_, _| broken);
        world.watch();
        for _ in 0..10 {
            world.supervisor.roll(world.now);
            world.run(MINUTE + Duration::from_secs(40));
            let Some(Notice::Rolled(Err(why))) = world.notices.last() else {
                panic!("{broken:?}: {:?}", world.notices)
            };
            assert!(why.starts_with("slot 0 keeps its worker: the new worker"), "{why}");
            assert_eq!([world.current(0), world.current(1)], before, "{broken:?}");
            assert_eq!(world.supervisor.workers.len(), 2, "{broken:?}");
        }
        assert_eq!(world.fewest, 2, "{broken:?}");
    }
}

#[test]
fn asked_for_again_a_roll_goes_on_to_the_newest_generation() {
    let mut world = World::up(3);
    world.watch();
    world.supervisor.roll(world.now);
    world.run(Duration::from_millis(1500));
    world.supervisor.roll(world.now);
    world.run(Duration::from_secs(30));
    assert_eq!(world.generations(), [3; 3]);
    let ends: Vec<_> = world.notices.iter().filter(|it| matches!(it, Notice::Rolled(_))).collect();
    assert_eq!(ends, [&Notice::Rolled(Ok(3))]);
    assert!(world.launches() <= 5, "finished steps are not thrown away");
}

#[test]
fn a_silent_worker_is_replaced_at_once_and_ended_by_and_by() {
    let mut world = World::up(2);
    let victim = world.current(0);
    world.alive.get_mut(&victim).unwrap().0 = Behaviour::Silent;
    world.watch();
    let began = world.now;
    world.run(Duration::from_secs(6));
    assert!(world.supervisor.is_complete());
    assert_ne!(world.current(0), victim);
    let order = |wanted: Action| world.log.iter().position(|it| *it == wanted);
    assert!(order(Action::Dump(victim)) < order(Action::Abort(victim)));
    world.run(Duration::from_secs(6));
    assert!(world.log.contains(&Action::Kill(victim)) && !world.alive.contains_key(&victim));
    assert!(world.now - began < Duration::from_secs(13));
    assert_eq!(world.supervisor.counts().restarts, [("silent", 1)]);
}

#[test]
fn a_primary_that_was_stopped_itself_does_not_blame_its_workers() {
    let mut world = World::up(2);
    world.watch();
    world.now += MINUTE;
    world.supervisor.tick(world.now);
    world.run(Duration::from_secs(2));
    assert!(world.log.is_empty(), "{:?}", world.log);
}

#[test]
fn a_worker_that_somebody_else_stops_is_replaced_before_it_has_ended() {
    let mut world = World::up(2).behaving(|_, _| Behaviour::Well);
    let leaving = world.current(1);
    world.alive.get_mut(&leaving).unwrap().0 = Behaviour::DoesNotStop;
    world.watch();
    world.supervisor.event(Event::Leaving(leaving), world.now);
    world.run(Duration::from_secs(1));
    assert!(world.supervisor.is_complete());
    assert!(world.supervisor.workers.contains_key(&leaving));
    world.run(MINUTE);
    assert!(!world.supervisor.workers.contains_key(&leaving), "it is ended at last");
}

#[test]
fn what_is_worn_is_recycled_one_at_a_time_and_start_first() {
    let worn = |recycle| World::new(3, Rules { recycle, ..rules() });
    let mut world = worn(RecycleLimits { age: Some(MINUTE), ..Default::default() });
    world.run(Duration::from_secs(2));
    world.watch();
    world.run(2 * MINUTE);
    assert!((3..=6).contains(&world.launches()), "{}", world.launches());
    assert_eq!((world.fewest, world.most), (3, 4));
    assert_eq!(world.generations(), [1; 3]);

    let mut world = worn(RecycleLimits { requests: Some(1000), ..Default::default() });
    world.run(Duration::from_secs(2));
    world.watch();
    world.run(MINUTE);
    assert_eq!(world.launches(), 0);
    world.requests = 1101;
    world.run(Duration::from_secs(3));
    world.requests = 0;
    world.run(Duration::from_secs(20));
    assert!((1..=3).contains(&world.launches()), "{}", world.launches());
    assert_eq!((world.fewest, world.most), (3, 4));
}

#[test]
fn a_worker_with_too_much_memory_is_killed_at_once_and_one_with_much_is_replaced_first() {
    let recycle = RecycleLimits { memory: Some(100), memory_max: Some(200), ..Default::default() };
    let mut world = World::new(3, Rules { recycle, ..rules() });
    world.run(Duration::from_secs(2));
    let workers = [0, 1, 2].map(|slot| world.current(slot));
    world.watch();
    world.memory = [(workers[0], 250), (workers[1], 300), (workers[2], 199)].into();
    world.run(Duration::from_secs(20));
    let killed = |world: &World| -> Vec<_> {
        let kills = world.log.iter().filter_map(|it| match it {
            Action::Kill(id) => Some(*id),
            _ => None,
        });
        kills.collect()
    };
    assert_eq!(killed(&world), workers[..2]);
    assert!(!world.supervisor.workers.contains_key(&workers[2]), "it was replaced");
    assert_eq!(world.supervisor.counts().restarts, [("memory", 3)]);
    assert!(world.supervisor.is_complete());
}

#[test]
fn slots_that_are_taken_away_are_lent_for_good_and_come_back() {
    let mut world = World::up(8);
    world.watch();
    world.supervisor.scale(2, world.now);
    world.perform();
    let lent: Vec<_> = world
        .log
        .iter()
        .filter_map(|it| match it {
            Action::Lend { slot, .. } => Some(*slot),
            _ => None,
        })
        .collect();
    assert_eq!(lent, [2, 3, 4, 5, 6, 7]);
    world.run(Duration::from_secs(5));
    assert_eq!(world.supervisor.workers.len(), 2);
    assert_eq!(world.launches(), 0);
    // The one that they were lent to is gone: somebody else takes them.
    let lender = world.current(0);
    world.watch();
    world.end(lender, Ended::Signal(9));
    world.run(Duration::from_millis(50));
    let lent = world.log.iter().filter(|it| matches!(it, Action::Lend { to, .. } if *to != lender));
    assert!(lent.count() >= 3, "{:?}", world.log);
    world.watch();
    world.supervisor.scale(8, world.now);
    world.run(Duration::from_secs(2));
    assert!(world.supervisor.is_complete());
    let returned = world.log.iter().filter(|it| matches!(it, Action::Return { .. })).count();
    assert_eq!(returned, 6);
}

#[test]
fn the_end_waits_for_every_worker_but_not_for_ever() {
    let mut world = World::up(3);
    let stubborn = world.current(1);
    world.alive.get_mut(&stubborn).unwrap().0 = Behaviour::DoesNotStop;
    world.watch();
    world.supervisor.stop(world.now);
    world.run(Duration::from_secs(5));
    assert_eq!(world.supervisor.outcome(), None);
    world.supervisor.stop(world.now);
    world.perform();
    assert_eq!(world.log.iter().filter(|it| **it == Action::Stop(stubborn)).count(), 2);
    world.run(Duration::from_secs(23));
    assert_eq!(world.supervisor.outcome(), Some(Outcome::Stopped));
    assert_eq!(world.launches(), 0);
}

/// What can befall a cluster.
#[derive(Clone, Debug)]
enum Chance {
    Die(u8),
    Leave(u8),
    Mute(u8),
    Roll,
    Scale(u8),
    Wait(u16),
    Break(bool),
}

fn chance() -> impl Strategy<Value = Chance> {
    prop_oneof![
        3 => any::<u8>().prop_map(Chance::Die),
        1 => any::<u8>().prop_map(Chance::Leave),
        1 => any::<u8>().prop_map(Chance::Mute),
        1 => Just(Chance::Roll),
        1 => (1..6_u8).prop_map(Chance::Scale),
        6 => (0..4000_u16).prop_map(Chance::Wait),
        1 => any::<bool>().prop_map(Chance::Break),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Whatever happens: no slot has two workers that were not told to stop, but for one that is
    /// being replaced; nobody who does not serve is lent a slot; and once nothing happens any more,
    /// every slot is served.
    #[test]
    fn whatever_happens_a_cluster_comes_back(chances in prop::collection::vec(chance(), 1..60)) {
        let mut world = World::new(3, rules());
        world.run(Duration::from_secs(1));
        for chance in chances {
            let ids: Vec<_> = world.alive.keys().copied().collect();
            let pick = |at: u8| ids.get(usize::from(at) % ids.len().max(1)).copied();
            match chance {
                Chance::Die(at) => if let Some(id) = pick(at) { world.end(id, Ended::Signal(9)) },
                Chance::Leave(at) => if let Some(id) = pick(at) {
                    world.supervisor.event(Event::Leaving(id), world.now);
                },
                Chance::Mute(at) => if let Some(id) = pick(at) {
                    world.alive.get_mut(&id).unwrap().0 = Behaviour::Silent;
                },
                Chance::Roll => world.supervisor.roll(world.now),
                Chance::Scale(workers) => world.supervisor.scale(usize::from(workers), world.now),
                Chance::Wait(millis) => world.run(Duration::from_millis(u64::from(millis))),
                Chance::Break(broken) => world.behaviour = Box::new(move |_, _| {
                    if broken { Behaviour::DiesAtBoot(70) } else { Behaviour::Well }
                }),
            }
            world.perform();
            for (index, slot) in (0_u32..).zip(&world.supervisor.slots) {
                let held = world.supervisor.workers.values();
                let held = held.filter(|it| it.slot == index && it.let_go.is_none()).count();
                let replaced = world.supervisor.step.as_ref().is_some_and(|it| it.slot == index);
                prop_assert!(held <= 1 + usize::from(replaced), "slot {index} has {held}");
                if let Some(lender) = slot.lent_to {
                    prop_assert!(world.supervisor.workers[&lender].serves());
                }
            }
            if world.supervisor.outcome().is_some() {
                // Nothing served, and nothing could be started: that is an end.
                return Ok(());
            }
        }
        world.behaviour = Box::new(|_, _| Behaviour::Well);
        world.run(3 * MINUTE);
        if !world.supervisor.stopping {
            prop_assert!(world.supervisor.is_complete());
            prop_assert_eq!(world.supervisor.workers.len(), world.generations().len());
            prop_assert!(world.supervisor.slots.iter().all(|it| it.retired || it.lent_to.is_none()));
        }
        prop_assert!(world.now > world.start);
    }
}
