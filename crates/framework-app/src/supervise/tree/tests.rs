use framework_core::GroupId;
use proptest::{
    prelude::{BoxedStrategy, Just, any, prop},
    prop_assert, prop_assert_eq, prop_oneof, proptest,
    strategy::Strategy as _,
};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn lasting(policy: Supervision) -> Supervision {
    policy.intensity(1000, SECOND).backoff(Duration::ZERO, Duration::ZERO)
}

fn group(strategy: Strategy, max: u32) -> Group {
    let intensity = Intensity { max, window: SECOND };
    Group { name: "group", strategy, intensity, parent: None }
}

fn restart(end: &[usize], start: &[usize]) -> Reaction {
    Reaction::Restart { end: end.to_vec(), start: start.to_vec(), delay: Duration::ZERO }
}

/// Four permanent units in one group.
fn four(strategy: Strategy) -> Tree {
    let mut tree = Tree::new(&[group(strategy, 1000)]);
    for _ in 0..4 {
        tree.add(Some(0), lasting(Supervision::permanent()));
    }
    tree
}

#[test]
fn each_strategy_restarts_what_its_name_says() {
    let now = Duration::ZERO;
    assert_eq!(four(Strategy::OneForOne).ended(1, true, now), restart(&[], &[1]));
    assert_eq!(four(Strategy::OneForAll).ended(1, true, now), restart(&[3, 2, 0], &[0, 1, 2, 3]));
    assert_eq!(four(Strategy::RestForOne).ended(1, true, now), restart(&[3, 2], &[1, 2, 3]));
}

#[test]
fn a_transient_unit_that_ends_well_stays_down_until_its_group_restarts() {
    let mut tree = Tree::new(&[group(Strategy::OneForAll, 1000)]);
    let transient = tree.add(Some(0), lasting(Supervision::transient()));
    let permanent = tree.add(Some(0), lasting(Supervision::permanent()));
    assert_eq!(tree.ended(transient, false, Duration::ZERO), Reaction::Leave);
    assert_eq!(tree.ended(permanent, true, Duration::ZERO), restart(&[], &[transient, permanent]));
    assert_eq!(tree.ended(transient, true, Duration::ZERO), restart(&[permanent], &[0, 1]));
}

#[test]
fn a_temporary_unit_is_never_restarted_but_with_its_whole_group() {
    let inner = Group { parent: Some(GroupId(0)), ..group(Strategy::OneForAll, 1) };
    let mut tree = Tree::new(&[group(Strategy::OneForOne, 1000), inner]);
    let temporary = tree.add(Some(1), Supervision::temporary());
    let permanent = tree.add(Some(1), lasting(Supervision::permanent()));
    assert_eq!(tree.ended(permanent, true, Duration::ZERO), restart(&[temporary], &[permanent]));
    // The second failure is one too many for the inner group: the outer starts it anew, as a whole.
    assert_eq!(tree.ended(permanent, true, Duration::ZERO), restart(&[], &[temporary, permanent]));
}

#[test]
fn restarts_out_of_the_window_do_not_count() {
    let mut tree = Tree::new(&[]);
    let unit = tree.add(None, Supervision::permanent().intensity(1, SECOND));
    assert_eq!(tree.ended(unit, true, Duration::ZERO), restart(&[], &[unit]));
    assert_eq!(tree.ended(unit, true, 2 * SECOND), restart(&[], &[unit]));
    assert_eq!(tree.ended(unit, true, 2 * SECOND), Reaction::GiveUp { restarts: 1 });
}

// ===== a reference model: one object a supervisor, as in OTP's own code =====

/// What a supervisor looks after: its child specifications, in start order.
#[derive(Clone, Debug)]
enum Spec {
    Unit(Restart),
    Group(Strategy, u32, Vec<Self>),
}

/// A supervisor or a worker that runs, or did.
#[derive(Debug)]
enum Node {
    /// A worker: its unit, its restart type, whether it runs, whether it was deleted.
    Unit { unit: usize, restart: Restart, up: bool, deleted: bool },
    /// A supervisor: how many restarts it has made in the (endless) window, its children.
    Group { strategy: Strategy, max: u32, restarts: u32, children: Vec<Self> },
}

/// How the exit of a child ended for its supervisor.
enum Handled {
    /// The supervisor goes on.
    Fine,
    /// It terminated its children and itself.
    Exit,
}

impl Node {
    fn build(spec: &Spec, next: &mut usize) -> Self {
        match spec {
            Spec::Unit(restart) => {
                *next += 1;
                Self::Unit { unit: *next - 1, restart: *restart, up: true, deleted: false }
            }
            Spec::Group(strategy, max, children) => Self::Group {
                strategy: *strategy,
                max: *max,
                restarts: 0,
                children: children.iter().map(|child| Self::build(child, next)).collect(),
            },
        }
    }

    fn contains(&self, wanted: usize) -> bool {
        match self {
            Self::Unit { unit, .. } => *unit == wanted,
            Self::Group { children, .. } => children.iter().any(|child| child.contains(wanted)),
        }
    }

    /// `supervisor:terminate_children`, last to first, those of the children first.
    fn terminate(&mut self, log: &mut Vec<(char, usize)>) {
        match self {
            Self::Unit { unit, up, .. } => {
                if std::mem::replace(up, false) {
                    log.push(('-', *unit));
                }
            }
            Self::Group { children, .. } => {
                children.iter_mut().rev().for_each(|child| child.terminate(log));
            }
        }
    }

    /// Starts a child from its specification: a supervisor as if for the first time.
    fn start(&mut self, log: &mut Vec<(char, usize)>) {
        match self {
            Self::Unit { unit, up, deleted, .. } => {
                if !*deleted {
                    *up = true;
                    log.push(('+', *unit));
                }
            }
            Self::Group { restarts, children, .. } => {
                *restarts = 0;
                for child in children {
                    if let Self::Unit { deleted, .. } = child {
                        *deleted = false;
                    }
                    child.start(log);
                }
            }
        }
    }

    /// Lets the exit of `unit` reach its supervisor, and what that causes go up the tree.
    fn exit(
        &mut self,
        unit: usize,
        failed: bool,
        root: bool,
        log: &mut Vec<(char, usize)>,
    ) -> Handled {
        let Self::Group { strategy, max, restarts, children } = self else { return Handled::Fine };
        let at = children.iter().position(|child| child.contains(unit)).unwrap();
        let counts = match &mut children[at] {
            Self::Unit { restart, up, deleted, .. } => {
                *up = false;
                match restart {
                    Restart::Temporary => {
                        *deleted = true;
                        return Handled::Fine;
                    }
                    Restart::Transient if !failed => return Handled::Fine,
                    Restart::Permanent | Restart::Transient => !root,
                }
            }
            group @ Self::Group { .. } => match group.exit(unit, failed, false, log) {
                Handled::Fine => return Handled::Fine,
                Handled::Exit => true,
            },
        };
        if counts {
            *restarts += 1;
            if *restarts > *max {
                children.iter_mut().rev().for_each(|child| child.terminate(log));
                return Handled::Exit;
            }
        }
        let range = match strategy {
            Strategy::OneForOne => at..at + 1,
            Strategy::OneForAll => 0..children.len(),
            Strategy::RestForOne => at..children.len(),
        };
        for n in range.clone().rev() {
            let running = matches!(&children[n], Self::Unit { up: true, .. });
            children[n].terminate(log);
            if let Self::Unit { restart: Restart::Temporary, deleted, .. } = &mut children[n] {
                *deleted |= running;
            }
        }
        range.for_each(|n| children[n].start(log));
        Handled::Fine
    }

    fn up(&self) -> Vec<usize> {
        match self {
            Self::Unit { unit, up, .. } => up.then_some(*unit).into_iter().collect(),
            Self::Group { children, .. } => children.iter().flat_map(Self::up).collect(),
        }
    }
}

fn spec(depth: u32) -> BoxedStrategy<Spec> {
    let restart =
        prop_oneof![Just(Restart::Permanent), Just(Restart::Transient), Just(Restart::Temporary)];
    let unit = restart.prop_map(Spec::Unit).boxed();
    if depth == 0 {
        return unit;
    }
    let strategy = prop_oneof![
        Just(Strategy::OneForOne),
        Just(Strategy::OneForAll),
        Just(Strategy::RestForOne)
    ];
    let children = prop::collection::vec(spec(depth - 1), 1..4);
    let group = (strategy, 0_u32..4, children).prop_map(|(s, max, c)| Spec::Group(s, max, c));
    prop_oneof![unit, group].boxed()
}

/// Adds the specification to the groups and units that a module declares.
fn declare(
    spec: &Spec,
    parent: Option<GroupId>,
    groups: &mut Vec<Group>,
    units: &mut Vec<(Option<usize>, Supervision)>,
) {
    match spec {
        Spec::Unit(restart) => {
            let policy = match restart {
                Restart::Permanent => Supervision::permanent(),
                Restart::Transient => Supervision::transient(),
                Restart::Temporary => Supervision::temporary(),
            };
            units.push((parent.map(|group| group.0), lasting(policy)));
        }
        Spec::Group(strategy, max, children) => {
            let id = GroupId(groups.len());
            groups.push(Group { parent, ..group(*strategy, *max) });
            children.iter().for_each(|child| declare(child, Some(id), groups, units));
        }
    }
}

proptest! {
    #[test]
    fn random_trees_behave_as_the_reference_model_of_otp(
        specs in prop::collection::vec(spec(3), 1..5),
        exits in prop::collection::vec((0_usize..64, any::<bool>()), 1..60),
    ) {
        let (mut groups, mut units) = (Vec::new(), Vec::new());
        specs.iter().for_each(|spec| declare(spec, None, &mut groups, &mut units));
        let mut tree = Tree::new(&groups);
        for (group, policy) in units {
            tree.add(group, policy);
        }
        // The module is the root: it counts the restarts of groups, up to three.
        let root = Spec::Group(Strategy::OneForOne, Intensity::default().max, specs);
        let mut model = Node::build(&root, &mut 0);
        for (pick, failed) in exits {
            let up = model.up();
            if up.is_empty() {
                break;
            }
            let unit = up[pick % up.len()];
            let mut log = Vec::new();
            let handled = model.exit(unit, failed, true, &mut log);
            let reaction = tree.ended(unit, failed, Duration::ZERO);
            let (end, start): (Vec<_>, Vec<_>) = log.iter().partition(|(what, _)| *what == '-');
            let of = |list: Vec<(char, usize)>| list.into_iter().map(|(_, unit)| unit).collect::<Vec<_>>();
            match handled {
                Handled::Exit => {
                    prop_assert!(matches!(reaction, Reaction::GiveUp { .. }), "{:?}", reaction);
                    break;
                }
                Handled::Fine if log.is_empty() => prop_assert_eq!(reaction, Reaction::Leave),
                Handled::Fine => {
                    let delay = Duration::ZERO;
                    prop_assert_eq!(
                        reaction,
                        Reaction::Restart { end: of(end), start: of(start), delay }
                    );
                }
            }
        }
    }
}
