//! Which files of several directories are read, and in which order. sysctl.d(5), systemd.unit(5) and
//! systemd-system.conf(5) share the rule: of files with the same name, that in the first directory is read; all are
//! sorted by name, whatever their directory. Contents are not read here.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::{NOTHING, Tree, Trouble};
use super::value::{FileRead, Standing};

/// The files of a set of directories.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Those that are read, in their order. Links to /dev/null are among them.
    pub(crate) files: Vec<FileRead>,
    /// Those that are not, because another one has the same name.
    pub(crate) masked: Vec<FileRead>,
    /// Those whose names do not end as they must.
    pub(crate) others: Vec<String>,
    pub(crate) troubles: Vec<Trouble>,
}

/// The files whose names end in `suffix`; `directories` with the most important one first.
pub(crate) fn listing(tree: &Tree<'_>, directories: &[String], suffix: &str) -> Listing {
    let mut listing = Listing::default();
    let mut winners: BTreeMap<String, FileRead> = BTreeMap::new();
    // /lib is often a link to /usr/lib; its files must not count twice.
    let mut seen = BTreeSet::new();
    for directory in directories {
        match tree.resolve(directory) {
            Ok(Some(real)) if !seen.insert(real.clone()) => continue,
            Ok(None) => continue,
            _ => {}
        }
        let names = match tree.names(directory) {
            Ok(names) => names,
            Err(trouble) => {
                listing.troubles.push(trouble);
                continue;
            }
        };
        for name in names {
            let path = format!("{directory}/{name}");
            if !name.ends_with(suffix) {
                listing.others.push(path);
            } else if let Some(winner) = winners.get(&name) {
                let standing = Standing::Masked { by: winner.path.clone() };
                listing.masked.push(FileRead { path, leads_to: None, standing });
            } else if let Some(file) = entry(tree, path, &mut listing.troubles) {
                winners.insert(name, file);
            }
        }
    }
    listing.files = winners.into_values().collect();
    listing
}

/// A file with the place its links lead to; `None`: there is nothing to list.
pub(crate) fn entry(tree: &Tree<'_>, path: String, troubles: &mut Vec<Trouble>) -> Option<FileRead> {
    match tree.resolve(&path) {
        Ok(None) => None,
        Ok(Some(real)) => {
            let standing = if real == NOTHING { Standing::Empty } else { Standing::Read };
            let leads_to = (!same(tree, &path, &real)).then_some(real);
            Some(FileRead { path, leads_to, standing })
        }
        Err(trouble) => {
            // systemd skips a file that it cannot open, but the name still replaces others.
            let standing = Standing::Trouble;
            troubles.push(trouble);
            Some(FileRead { path, leads_to: None, standing })
        }
    }
}

/// Whether the last part of `path` is no link: its directory may still lead elsewhere.
fn same(tree: &Tree<'_>, path: &str, real: &str) -> bool {
    let Some((directory, name)) = path.rsplit_once('/') else { return true };
    matches!(tree.resolve(directory), Ok(Some(above)) if format!("{}/{name}", above.trim_end_matches('/')) == real)
}

/// The directories of a name below each of the places that systemd looks in, most important first.
pub(crate) fn below(places: &[&str], name: &str) -> Vec<String> {
    places.iter().map(|place| format!("{place}/{name}")).collect()
}
