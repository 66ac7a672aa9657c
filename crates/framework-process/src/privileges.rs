use std::{ffi::CString, io};

use nix::{
    errno::Errno,
    unistd::{Gid, Group, Uid, User, getegid, geteuid, getgid, getuid, initgroups, setgid, setuid},
};

/// Another user for the process, with less power than the one that started it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Privileges {
    user: String,
    uid: Uid,
    gid: Gid,
}

/// A process cannot become another user.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivilegesError {
    /// There is no such user.
    #[error("there is no user `{0}`")]
    NoSuchUser(String),
    /// There is no such group.
    #[error("there is no group `{0}`")]
    NoSuchGroup(String),
    /// Only root can become another user.
    #[error("only root can become `{0}`")]
    NotRoot(String),
    /// The operating system refused.
    #[error("cannot become `{user}`")]
    System {
        /// The user.
        user: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The process has its old power, or could have it again.
    #[error("the process is still as powerful as before")]
    Kept,
}

impl Privileges {
    /// Those of the user called `user`, in the group called `group`, or in the user's own.
    ///
    /// # Errors
    ///
    /// When there is no such user or group.
    pub fn of(user: &str, group: Option<&str>) -> Result<Self, PrivilegesError> {
        let failed =
            |error: Errno| PrivilegesError::System { user: user.to_owned(), source: error.into() };
        let found = User::from_name(user).map_err(failed)?;
        let found = found.ok_or_else(|| PrivilegesError::NoSuchUser(user.to_owned()))?;
        let gid = match group {
            None => found.gid,
            Some(group) => {
                let found = Group::from_name(group).map_err(failed)?;
                found.ok_or_else(|| PrivilegesError::NoSuchGroup(group.to_owned()))?.gid
            }
        };
        Ok(Self { user: user.to_owned(), uid: found.uid, gid })
    }

    /// Becomes that user, for good: first the groups, which only root can change, then the group,
    /// then the user; then it is checked that there is no way back. A process that is that user
    /// already stays as it is.
    ///
    /// To be called before anything is opened that the user could not open.
    ///
    /// # Errors
    ///
    /// When the process is another user than root, or the operating system refuses.
    pub fn take(&self) -> Result<(), PrivilegesError> {
        let Self { user, uid, gid } = self;
        if getuid() == *uid && geteuid() == *uid {
            return Ok(());
        }
        if !geteuid().is_root() {
            return Err(PrivilegesError::NotRoot(user.clone()));
        }
        let name =
            CString::new(user.as_str()).map_err(|_| PrivilegesError::NoSuchUser(user.clone()))?;
        let changed =
            initgroups(&name, *gid).and_then(|()| setgid(*gid)).and_then(|()| setuid(*uid));
        changed.map_err(|error| PrivilegesError::System {
            user: user.clone(),
            source: error.into(),
        })?;
        let is_that = (getuid(), geteuid(), getgid(), getegid()) == (*uid, *uid, *gid, *gid);
        let can_return = !uid.is_root() && setuid(Uid::from_raw(0)).is_ok();
        if is_that && !can_return { Ok(()) } else { Err(PrivilegesError::Kept) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_there_is_named() {
        let error = Privileges::of("nobody-of-this-name", None).unwrap_err();
        assert_eq!(error.to_string(), "there is no user `nobody-of-this-name`");
        let error = Privileges::of("root", Some("no-such-group")).unwrap_err();
        assert_eq!(error.to_string(), "there is no group `no-such-group`");
    }

    #[test]
    fn to_become_oneself_is_nothing() {
        let own = User::from_uid(getuid()).unwrap().unwrap();
        Privileges::of(&own.name, None).unwrap().take().unwrap();
        assert_eq!(getuid(), own.uid);
    }
}
