//! What health has to do with the configuration: the checks decide whether one that has just come
//! into force may stay, and whoever looks at the health sees that the files are broken.

use std::{sync::Arc, time::Duration};

use framework_config::{ConfigHandle, Obstacle, Readiness};
use framework_core::HealthStatus;

use super::{CheckStanding, HealthBoard};

/// Lets the checks on `board` judge the configurations of an application.
pub(crate) fn judge(config: &ConfigHandle, board: &Arc<HealthBoard>) {
    config.follow_readiness(Checks(Arc::clone(board)));
    notice(config, board);
    let (told, board) = (config.clone(), Arc::clone(board));
    config.observe(move |_| notice(&told, &board));
}

/// Shows what waits for another start, and what the application runs on instead of its files.
fn notice(config: &ConfigHandle, board: &HealthBoard) {
    let last_good = config.last_good();
    let last_good = last_good.map(|it| format!("the files are broken: running on {it}"));
    board.notice("config", "last-good", last_good);
}

/// The critical checks that do not pass.
struct Checks(Arc<HealthBoard>);

impl Readiness for Checks {
    fn obstacles(&self) -> Vec<Obstacle> {
        let checks = self.0.checks().into_iter().filter(|check| check.critical);
        let failing = checks.filter(|check| check.status.is_none_or(is_down));
        failing.map(|check| Obstacle::new(check.module, cause(&check))).collect()
    }

    fn look_closely(&self, time: Duration) {
        self.0.look_closely(time);
    }
}

fn is_down(status: HealthStatus) -> bool {
    status == HealthStatus::Unhealthy
}

fn cause(check: &CheckStanding) -> String {
    match (&check.detail, check.status) {
        (Some(detail), _) => format!("{}: {detail}", check.name),
        (None, Some(_)) => format!("{} is unhealthy", check.name),
        (None, None) => format!("{} has not been looked at", check.name),
    }
}

#[cfg(test)]
mod tests {
    use framework_core::{Check, Context, Environment, Health, ModuleId};
    use tokio::time::{Instant, timeout};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{HealthCheck, HealthOptions, HealthRunner, HealthSettings};

    struct Down;

    impl Check for Down {
        async fn check(&self, _cx: &Context) -> Health {
            Health::unhealthy("no connection")
        }
    }

    fn context() -> Context {
        let (token, environment) = (CancellationToken::new(), Arc::new(Environment::detached()));
        Context::within("data", ModuleId::at(0), token, environment)
    }

    #[tokio::test(start_paused = true)]
    async fn the_critical_checks_that_do_not_pass_are_what_stands_in_the_way() {
        let board = Arc::new(HealthBoard::new());
        let runner = HealthRunner::new(HealthSettings::default(), Arc::clone(&board))
            .check(context(), HealthCheck::new("pool", HealthOptions::critical(), Down))
            .check(context(), HealthCheck::new("mail", HealthOptions::informative(), Down));
        let minute = Duration::from_secs(60);
        let _ = timeout(minute, runner.run(std::future::pending())).await;
        let obstacles = Checks(Arc::clone(&board)).obstacles();
        assert_eq!(obstacles, [Obstacle::new("data", "pool: no connection")]);
    }

    /// When a check that works is run.
    struct Noted(Arc<std::sync::Mutex<Vec<u64>>>, Instant);

    impl Check for Noted {
        async fn check(&self, _cx: &Context) -> Health {
            self.0.lock().unwrap().push(self.1.elapsed().as_secs());
            Health::healthy()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn checks_are_run_every_second_while_a_configuration_is_on_probation() {
        let (board, times) = (Arc::new(HealthBoard::new()), Arc::default());
        let noted = Noted(Arc::clone(&times), Instant::now());
        let runner = HealthRunner::new(HealthSettings::default(), Arc::clone(&board))
            .check(context(), HealthCheck::new("pool", HealthOptions::critical(), noted));
        let run = timeout(Duration::from_secs(50), runner.run(std::future::pending()));
        let probation = async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            Checks(Arc::clone(&board)).look_closely(Duration::from_secs(3));
        };
        let _ = tokio::join!(run, probation);
        assert_eq!(*times.lock().unwrap(), [0, 10, 11, 12, 13, 43]);
    }

    #[test]
    fn a_notice_degrades_the_application_until_it_is_taken_back() {
        let board = HealthBoard::new();
        board.notice("config", "last-good", Some("broken".to_owned()));
        assert_eq!((board.status(), board.checks().len()), (HealthStatus::Degraded, 1));
        board.notice("config", "last-good", None);
        assert_eq!((board.status(), board.checks().len()), (HealthStatus::Healthy, 0));
    }
}
