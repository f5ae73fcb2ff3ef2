//! Requests and their parts: which are open, and when a request has all that it needs. No socket and no clock.

/// A copy of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Copy {
    pub(super) part: PartId,
    pub(super) is_second: bool,
    pub(super) sent_ns: u64,
}

/// A part. What is queued for one that is over finds another generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PartId {
    index: u32,
    generation: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Part {
    generation: u32,
    /// Its place may be another's before the last copy comes back: what is asked of a part after that stands here too.
    request: u32,
    intended_ns: u64,
    is_measured: bool,
    /// Where its first copy went to.
    target: Option<u32>,
    /// Copies sent and without an end, and copies that wait for a connection.
    open: u32,
    is_answered: bool,
    is_in_use: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Request {
    intended_ns: u64,
    /// Parts without an end.
    left: u32,
    is_failed: bool,
    is_measured: bool,
    is_in_use: bool,
}

/// A request that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) intended_ns: u64,
    pub(super) is_good: bool,
    pub(super) is_measured: bool,
}

/// What the end of a copy means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Meaning {
    /// It was the first good reply to its part.
    pub(super) is_first: bool,
    /// The request that it ended.
    pub(super) done: Option<Done>,
}

/// All open requests.
#[derive(Debug, Default)]
pub(super) struct Parts {
    parts: Vec<Part>,
    free_parts: Vec<u32>,
    requests: Vec<Request>,
    free_requests: Vec<u32>,
}

impl Parts {
    /// Begins a request with `count` parts, each with `copies` copies to be sent.
    pub(super) fn begin(
        &mut self,
        intended_ns: u64,
        is_measured: bool,
        count: u32,
        copies: u32,
        ids: &mut Vec<PartId>,
    ) {
        let request = self.free_requests.pop().unwrap_or_else(|| {
            self.requests.push(Request::default());
            self.requests.len() as u32 - 1
        });
        self.requests[request as usize] =
            Request { intended_ns, left: count, is_failed: false, is_measured, is_in_use: true };
        ids.clear();
        for _ in 0..count {
            let index = self.free_parts.pop().unwrap_or_else(|| {
                self.parts.push(Part::default());
                self.parts.len() as u32 - 1
            });
            let part = &mut self.parts[index as usize];
            *part = Part {
                generation: part.generation,
                request,
                intended_ns,
                is_measured,
                target: None,
                open: copies,
                is_answered: false,
                is_in_use: true,
            };
            ids.push(PartId { index, generation: part.generation });
        }
    }

    fn part(&self, id: PartId) -> Option<&Part> {
        self.parts.get(id.index as usize).filter(|part| part.is_in_use && part.generation == id.generation)
    }

    /// Whether a further copy could still help.
    pub(super) fn is_waiting(&self, id: PartId) -> bool {
        self.part(id).is_some_and(|part| !part.is_answered)
    }

    /// When its request was meant to be sent, and whether it is in the window.
    pub(super) fn intended(&self, id: PartId) -> Option<(u64, bool)> {
        self.part(id).map(|part| (part.intended_ns, part.is_measured))
    }

    /// The first copy was sent to this target.
    pub(super) fn sent_to(&mut self, id: PartId, target: usize) {
        if self.part(id).is_some() {
            self.parts[id.index as usize].target = Some(target as u32);
        }
    }

    /// The target after that of the first copy: a second one goes elsewhere, if there is more than one.
    pub(super) fn elsewhere(&self, id: PartId) -> Option<usize> {
        self.part(id)?.target.map(|target| target as usize + 1)
    }

    /// A second copy is to be sent as well.
    pub(super) fn add_copy(&mut self, id: PartId) {
        if self.part(id).is_some() {
            self.parts[id.index as usize].open += 1;
        }
    }

    /// A copy has its end: a good reply, or none.
    pub(super) fn end_copy(&mut self, id: PartId, is_good: bool) -> Meaning {
        if self.part(id).is_none() {
            return Meaning::default();
        }
        let part = &mut self.parts[id.index as usize];
        part.open -= 1;
        let is_first = is_good && !part.is_answered;
        part.is_answered |= is_good;
        let (is_lost, is_over, request) = (part.open == 0 && !part.is_answered, part.open == 0, part.request);
        if is_over {
            part.is_in_use = false;
            part.generation = part.generation.wrapping_add(1);
            self.free_parts.push(id.index);
        }
        let done = if is_first || is_lost { self.end_part(request, is_lost) } else { None };
        Meaning { is_first, done }
    }

    fn end_part(&mut self, index: u32, is_lost: bool) -> Option<Done> {
        let request = &mut self.requests[index as usize];
        request.is_failed |= is_lost;
        request.left -= 1;
        if request.left > 0 {
            return None;
        }
        request.is_in_use = false;
        self.free_requests.push(index);
        Some(Done { intended_ns: request.intended_ns, is_good: !request.is_failed, is_measured: request.is_measured })
    }

    /// Those that are not over, for the end of a run.
    pub(super) fn unfinished(&self) -> impl Iterator<Item = Done> {
        self.requests.iter().filter(|request| request.is_in_use).map(|request| Done {
            intended_ns: request.intended_ns,
            is_good: false,
            is_measured: request.is_measured,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(parts: &mut Parts, count: u32, copies: u32) -> Vec<PartId> {
        let mut ids = Vec::new();
        parts.begin(7, true, count, copies, &mut ids);
        ids
    }

    const DONE: Done = Done { intended_ns: 7, is_good: true, is_measured: true };

    #[test]
    fn a_request_is_done_with_its_last_part() {
        let mut parts = Parts::default();
        let ids = begun(&mut parts, 3, 1);
        for id in &ids[..2] {
            assert_eq!(parts.end_copy(*id, true), Meaning { is_first: true, done: None });
        }
        assert_eq!(parts.unfinished().count(), 1);
        assert_eq!(parts.end_copy(ids[2], true), Meaning { is_first: true, done: Some(DONE) });
        assert_eq!(parts.unfinished().count(), 0);
    }

    #[test]
    fn the_first_of_two_copies_counts() {
        let mut parts = Parts::default();
        let id = begun(&mut parts, 1, 1)[0];
        parts.add_copy(id);
        assert!(parts.is_waiting(id));
        assert_eq!(parts.end_copy(id, true), Meaning { is_first: true, done: Some(DONE) });
        assert!(!parts.is_waiting(id), "its loser is still under way");
        // The next request takes the place of the one that is done.
        parts.begin(8, false, 1, 1, &mut Vec::new());
        assert_eq!(parts.intended(id), Some((7, true)));
        assert_eq!(parts.end_copy(id, true), Meaning::default());
        assert_eq!(parts.intended(id), None);
    }

    #[test]
    fn a_part_is_lost_with_its_last_copy() {
        let mut parts = Parts::default();
        let ids = begun(&mut parts, 2, 2);
        assert_eq!(parts.end_copy(ids[0], false), Meaning::default());
        assert_eq!(parts.end_copy(ids[0], true), Meaning { is_first: true, done: None });
        assert_eq!(parts.end_copy(ids[1], false), Meaning::default());
        let bad = Done { is_good: false, ..DONE };
        assert_eq!(parts.end_copy(ids[1], false), Meaning { is_first: false, done: Some(bad) });
    }

    /// What is queued for a part that is over must not touch the one that took its place.
    #[test]
    fn places_are_used_again_under_another_name() {
        let mut parts = Parts::default();
        let old = begun(&mut parts, 1, 1)[0];
        parts.end_copy(old, true);
        let new = begun(&mut parts, 1, 1)[0];
        assert!(old != new && !parts.is_waiting(old) && parts.is_waiting(new));
        parts.add_copy(old);
        assert_eq!(parts.end_copy(old, true), Meaning::default());
        assert_eq!(parts.end_copy(new, true), Meaning { is_first: true, done: Some(DONE) });
    }
}
