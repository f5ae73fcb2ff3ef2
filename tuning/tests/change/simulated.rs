//! A disk in memory on which any step can fail or be the last. It stands for a host: a setting that is written is clamped
//! or refused as a kernel would, and a file that was not synced is not whole after a crash.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use tuning::change::{Disk, Kept};

/// What happens at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails and has done nothing.
    Fails,
    /// It fails though it is done, as a write whose sync fails.
    FailsDone,
    /// It and all later writing of files fails, until somebody frees space.
    Full,
    /// The program is killed before it.
    KilledBefore,
    /// The program is killed in the middle: a file is half written.
    KilledWithin,
    /// The program is killed after it.
    KilledAfter,
}

impl Fault {
    pub(crate) const ALL: [Fault; 6] =
        [Fault::Fails, Fault::FailsDone, Fault::Full, Fault::KilledBefore, Fault::KilledWithin, Fault::KilledAfter];

    pub(crate) fn kills(self) -> bool {
        matches!(self, Fault::KilledBefore | Fault::KilledWithin | Fault::KilledAfter)
    }
}

/// Files and directories: what somebody finds who looks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Tree {
    pub(crate) files: BTreeMap<PathBuf, Kept>,
    pub(crate) directories: BTreeSet<PathBuf>,
}

#[derive(Debug, Default)]
struct State {
    tree: Tree,
    /// The largest value that the kernel takes as it is; larger ones become this one.
    clamps: BTreeMap<PathBuf, u64>,
    /// Steps that change something, so far.
    steps: u64,
    fault: Option<(u64, Fault)>,
    is_full: bool,
    is_dead: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Simulated(RefCell<State>);

impl Simulated {
    pub(crate) fn new(tree: Tree) -> Simulated {
        Simulated(RefCell::new(State { tree, ..State::default() }))
    }

    pub(crate) fn clamp(&self, path: &str, most: u64) {
        self.0.borrow_mut().clamps.insert(path.into(), most);
    }

    /// Lets `fault` happen at the step with this number, the first being 0.
    pub(crate) fn plan(&self, at: u64, fault: Fault) {
        let mut state = self.0.borrow_mut();
        (state.steps, state.fault) = (0, Some((at, fault)));
    }

    /// What the next call of the program finds: there is space again, and nothing fails.
    pub(crate) fn next_call(&self) {
        let mut state = self.0.borrow_mut();
        (state.fault, state.is_full, state.is_dead) = (None, false, false);
    }

    pub(crate) fn steps(&self) -> u64 {
        self.0.borrow().steps
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.0.borrow().is_dead
    }

    pub(crate) fn tree(&self) -> Tree {
        self.0.borrow().tree.clone()
    }

    /// Somebody else writes a file.
    pub(crate) fn put(&self, path: &str, text: &str) {
        let kept = Kept { bytes: text.into(), mode: 0o644 };
        self.0.borrow_mut().tree.files.insert(path.into(), kept);
    }

    /// A step that changes something. `half` is what it leaves when the program is killed in its middle.
    fn step(
        &self,
        takes_space: bool,
        whole: impl FnOnce(&mut State) -> io::Result<()>,
        half: impl FnOnce(&mut State),
    ) -> io::Result<()> {
        let state = &mut *self.0.borrow_mut();
        let killed = || io::Error::other("killed");
        if state.is_dead {
            return Err(killed());
        }
        let now = state.steps;
        state.steps += 1;
        let fault = state.fault.filter(|(at, _)| *at == now).map(|(_, fault)| fault);
        state.is_full |= fault == Some(Fault::Full);
        if state.is_full && takes_space {
            half(state);
            return Err(ErrorKind::StorageFull.into());
        }
        match fault {
            None | Some(Fault::Full) => whole(state),
            Some(Fault::Fails) => Err(io::Error::other("failed")),
            Some(Fault::FailsDone) => whole(state).and_then(|()| Err(io::Error::other("failed at the end"))),
            Some(kill) => {
                state.is_dead = true;
                match kill {
                    Fault::KilledAfter => drop(whole(state)),
                    Fault::KilledWithin => half(state),
                    _ => {}
                }
                Err(killed())
            }
        }
    }
}

impl Disk for Simulated {
    fn read(&self, path: &Path) -> io::Result<Option<Kept>> {
        let state = self.0.borrow();
        if state.is_dead {
            return Err(io::Error::other("killed"));
        }
        Ok(state.tree.files.get(path).cloned())
    }

    fn is_directory(&self, path: &Path) -> bool {
        path == Path::new("/") || self.0.borrow().tree.directories.contains(path)
    }

    fn may_write(&self, path: &Path) -> io::Result<()> {
        match self.0.borrow().tree.files.get(path) {
            Some(kept) if kept.mode & 0o200 == 0 => Err(ErrorKind::PermissionDenied.into()),
            Some(_) => Ok(()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn write_setting(&self, path: &Path, value: &[u8]) -> io::Result<()> {
        let whole = |state: &mut State| {
            let text = String::from_utf8_lossy(value).trim().to_owned();
            let most = state.clamps.get(path).copied();
            let kept = state.tree.files.get_mut(path).ok_or(ErrorKind::NotFound)?;
            kept.bytes = match (most, text.parse::<u64>()) {
                (Some(most), Ok(number)) if number > most => format!("{most}\n").into(),
                _ => value.to_owned(),
            };
            Ok(())
        };
        // The kernel takes a value or does not.
        self.step(false, whole, |_| {})
    }

    fn write_file(&self, path: &Path, file: &Kept) -> io::Result<()> {
        if !self.is_directory(path.parent().expect("a path of a file")) {
            return Err(ErrorKind::NotFound.into());
        }
        let whole = |state: &mut State| {
            state.tree.files.insert(path.to_owned(), file.clone());
            Ok(())
        };
        let half = |state: &mut State| {
            let bytes = file.bytes[..file.bytes.len() / 2].to_vec();
            state.tree.files.insert(path.to_owned(), Kept { bytes, mode: file.mode });
        };
        self.step(true, whole, half)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let whole = |state: &mut State| {
            let file = state.tree.files.remove(from).ok_or(ErrorKind::NotFound)?;
            state.tree.files.insert(to.to_owned(), file);
            Ok(())
        };
        self.step(false, whole, |_| {})
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let whole = |state: &mut State| {
            state.tree.files.remove(path);
            Ok(())
        };
        self.step(false, whole, |_| {})
    }

    fn make_directory(&self, path: &Path) -> io::Result<()> {
        let whole = |state: &mut State| {
            state.tree.directories.insert(path.to_owned());
            Ok(())
        };
        self.step(true, whole, |_| {})
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        let whole = |state: &mut State| {
            let is_inside = |other: &&PathBuf| other.parent() == Some(path);
            let is_empty = !state.tree.files.keys().any(|file| is_inside(&file))
                && !state.tree.directories.iter().any(|directory| is_inside(&directory));
            if is_empty {
                state.tree.directories.remove(path);
            }
            Ok(())
        };
        self.step(false, whole, |_| {})
    }
}
