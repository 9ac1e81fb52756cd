//! An answer that is worked out on another thread, and is only wanted to the newest question.

/// One question at a time is at work; what is asked meanwhile waits, and only the newest of it.
#[derive(Debug)]
pub struct Latest<Q, A> {
    answered: Option<(Q, A)>,
    at_work: Option<Q>,
}

impl<Q, A> Default for Latest<Q, A> {
    fn default() -> Self {
        Self { answered: None, at_work: None }
    }
}

impl<Q: PartialEq + Clone, A> Latest<Q, A> {
    /// True where the question is neither answered nor at work, so that the caller hands it to a thread now.
    #[must_use]
    pub fn asks(&mut self, question: &Q) -> bool {
        let is_answered = self.answered.as_ref().is_some_and(|(answered, _)| answered == question);
        if is_answered || self.at_work.is_some() {
            return false;
        }
        self.at_work = Some(question.clone());
        true
    }

    pub fn answer(&mut self, question: Q, answer: A) {
        self.at_work = None;
        self.answered = Some((question, answer));
    }

    /// The question at work will never be answered.
    pub fn give_up(&mut self) {
        self.at_work = None;
    }

    /// The newest answer with its question, which may be an older one.
    pub fn newest(&self) -> Option<(&Q, &A)> {
        self.answered.as_ref().map(|(question, answer)| (question, answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_question_is_at_work_and_the_newest_comes_next() {
        let mut latest = Latest::<u32, &str>::default();
        assert!(latest.asks(&1));
        assert!(!latest.asks(&1) && !latest.asks(&2) && !latest.asks(&3));
        latest.answer(1, "one");
        assert_eq!(latest.newest(), Some((&1, &"one")));
        assert!(latest.asks(&3) && !latest.asks(&3));
        latest.give_up();
        assert!(latest.asks(&3));
        latest.answer(3, "three");
        assert!(!latest.asks(&3));
    }
}
