//! What is restarted when a unit ends: the rules of Erlang/OTP's `supervisor`, as a state machine
//! without time or tasks of its own.

use std::{collections::VecDeque, time::Duration};

use framework_core::{Group, Intensity, Restart, Strategy, Supervision};

/// The units of a module and the groups they are in. The module itself is the root: it restarts a
/// unit or a group that ended, and nothing else with it.
#[derive(Debug)]
pub(crate) struct Tree {
    units: Vec<UnitNode>,
    groups: Vec<GroupNode>,
}

#[derive(Debug)]
struct UnitNode {
    parent: usize,
    policy: Supervision,
    restarts: Window,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It runs, or is about to.
    Up,
    /// It ended well, and may be started again together with others.
    Done,
    /// It ended, and is not started again.
    Gone,
}

#[derive(Debug)]
struct GroupNode {
    parent: Option<usize>,
    strategy: Strategy,
    intensity: Intensity,
    restarts: Window,
    // In the order of declaration, units and groups mixed.
    children: Vec<Child>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Child {
    Unit(usize),
    Group(usize),
}

/// The restarts of the last while.
#[derive(Debug, Default)]
struct Window {
    at: VecDeque<Duration>,
}

/// What to do about a unit that ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// Nothing.
    Leave,
    /// End these units, last to start first, wait, and start those.
    Restart { end: Vec<usize>, start: Vec<usize>, delay: Duration },
    /// Nothing can be restarted any more; `restarts` is how often it was.
    GiveUp { restarts: usize },
}

impl Tree {
    pub(crate) const ROOT: usize = 0;

    /// A tree of a module's groups, without units.
    pub(crate) fn new(groups: &[Group]) -> Self {
        let root = GroupNode {
            parent: None,
            strategy: Strategy::OneForOne,
            intensity: Intensity::default(),
            restarts: Window::default(),
            children: Vec::new(),
        };
        let mut tree = Self { units: Vec::new(), groups: vec![root] };
        for group in groups {
            tree.groups.push(GroupNode {
                parent: Some(group.parent.map_or(Self::ROOT, |parent| parent.0 + 1)),
                strategy: group.strategy,
                intensity: group.intensity,
                restarts: Window::default(),
                children: Vec::new(),
            });
        }
        tree
    }

    /// Adds a unit to a group, `None` being the root, and with it the groups on the way to the root
    /// that have had no unit until now.
    pub(crate) fn add(&mut self, group: Option<usize>, policy: Supervision) -> usize {
        let parent = group.map_or(Self::ROOT, |group| group + 1);
        let unit = self.units.len();
        let restarts = Window::default();
        self.units.push(UnitNode { parent, policy, restarts, state: State::Up });
        self.adopt(parent, Child::Unit(unit));
        unit
    }

    fn adopt(&mut self, group: usize, child: Child) {
        if self.groups[group].children.contains(&child) {
            return;
        }
        self.groups[group].children.push(child);
        if let Some(parent) = self.groups[group].parent {
            self.adopt(parent, Child::Group(group));
        }
    }

    /// Decides about a unit that ended at `now`, with an error or without.
    pub(crate) fn ended(&mut self, unit: usize, failed: bool, now: Duration) -> Reaction {
        let node = &mut self.units[unit];
        match node.policy.restart() {
            Restart::Temporary => {
                node.state = State::Gone;
                return Reaction::Leave;
            }
            Restart::Transient if !failed => {
                node.state = State::Done;
                return Reaction::Leave;
            }
            Restart::Permanent | Restart::Transient => {}
        }
        // It runs no more, so nothing has to end it.
        node.state = State::Done;
        let (intensity, recent) =
            (node.policy.max_intensity(), node.restarts.recent(now, node.policy.max_intensity()));
        let delay = node.policy.delay(u32::try_from(recent).unwrap_or(u32::MAX));
        let parent = node.parent;
        let mut end = Vec::new();
        if node.restarts.note(now, intensity) {
            return match self.give_up(parent, now, &mut end) {
                Some(start) => Reaction::Restart { end, start, delay },
                None => Reaction::GiveUp { restarts: recent },
            };
        }
        match self.restart(parent, Child::Unit(unit), now, &mut end) {
            Some(start) => Reaction::Restart { end, start, delay },
            None => Reaction::GiveUp { restarts: recent },
        }
    }

    /// Restarts `child` and, as the strategy of its group says, its siblings: what must end first is
    /// added to `end`, and what is to start is returned. `None` when there is nothing left to do.
    fn restart(
        &mut self,
        group: usize,
        child: Child,
        now: Duration,
        end: &mut Vec<usize>,
    ) -> Option<Vec<usize>> {
        // The root counts the restarts of groups only: a unit of its own has a limit of its own.
        let counts = group != Self::ROOT || matches!(child, Child::Group(_));
        let node = &mut self.groups[group];
        let intensity = node.intensity;
        if counts && node.restarts.note(now, intensity) {
            return self.give_up(group, now, end);
        }
        let at = node.children.iter().position(|other| *other == child)?;
        let concerned: Vec<Child> = match node.strategy {
            Strategy::OneForOne => vec![child],
            Strategy::OneForAll => node.children.clone(),
            Strategy::RestForOne => node.children[at..].to_vec(),
        };
        concerned.iter().rev().for_each(|other| self.end(*other, *other == child, end));
        let mut start = Vec::new();
        concerned.iter().for_each(|other| self.start(*other, &mut start));
        Some(start)
    }

    /// Ends a whole group, and lets its parent restart it.
    fn give_up(&mut self, group: usize, now: Duration, end: &mut Vec<usize>) -> Option<Vec<usize>> {
        let parent = self.groups[group].parent?;
        self.end(Child::Group(group), true, end);
        self.restart(parent, Child::Group(group), now, end)
    }

    /// Marks what runs as ended, last first. A temporary unit that others take down with them is
    /// not started again; one that goes down with its whole group is, with the group.
    fn end(&mut self, child: Child, whole: bool, ended: &mut Vec<usize>) {
        match child {
            Child::Unit(unit) => {
                let node = &mut self.units[unit];
                let temporary = node.policy.restart() == Restart::Temporary;
                if node.state == State::Up {
                    ended.push(unit);
                    node.state = if temporary && !whole { State::Gone } else { State::Done };
                }
            }
            Child::Group(group) => {
                let children = self.groups[group].children.clone();
                children.into_iter().rev().for_each(|child| self.end(child, true, ended));
                self.groups[group].restarts = Window::default();
            }
        }
    }

    fn start(&mut self, child: Child, started: &mut Vec<usize>) {
        match child {
            Child::Unit(unit) if self.units[unit].state == State::Gone => {}
            Child::Unit(unit) => {
                self.units[unit].state = State::Up;
                started.push(unit);
            }
            Child::Group(group) => {
                for child in self.groups[group].children.clone() {
                    // A group starts as if for the first time.
                    if let Child::Unit(unit) = child {
                        self.units[unit].state = State::Done;
                        self.units[unit].restarts = Window::default();
                    }
                    self.start(child, started);
                }
            }
        }
    }
}

impl Window {
    /// How many restarts there were within the window that ends now.
    fn recent(&mut self, now: Duration, intensity: Intensity) -> usize {
        while self.at.front().is_some_and(|at| now.saturating_sub(*at) > intensity.window) {
            self.at.pop_front();
        }
        self.at.len()
    }

    /// Counts a restart, and says whether that was one too many.
    fn note(&mut self, now: Duration, intensity: Intensity) -> bool {
        let recent = self.recent(now, intensity);
        self.at.push_back(now);
        recent >= intensity.max as usize
    }
}

#[cfg(test)]
mod tests;
