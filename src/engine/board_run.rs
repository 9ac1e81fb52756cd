//! The cells of a board as jobs: a few at a time in the engine's queue, each with its own events, each to be cancelled or
//! made again alone.
//!
//! What cells have in common (encodings, keys and values, the first noise, steps before references enter) the engine's
//! session shares by itself, from one job to the next.
//!
//! Small cells wait there in larger numbers, since the engine makes several of them in one forward. By `instantstyle bench
//! --model-config mini --size 64 --batch N --weights f32` on two cores, a guided step takes 21 ms for one cell (N = 2), and for
//! each of two cells 15 ms, of three 13 ms, of five 10 ms.

use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_channel::TryRecvError;

use super::{Engine, EngineError, Finished, JobEvent, JobHandle, JobSpec, Step};

/// Jobs that wait in the engine's queue at once: enough to keep it busy, few enough that whatever else is asked of the
/// engine does not wait for the whole board.
const AHEAD: usize = 2;
/// As many, where all of them are small: the engine makes several at once, and the wait is short.
const AHEAD_OF_SMALL: usize = 8;
/// Pixels of a small cell.
const SMALL: u32 = 128 * 128;

/// How far a cell is.
#[derive(Debug, Clone)]
pub enum CellState {
    Waiting,
    /// At work; the newest step, if there was one yet.
    Running(Option<Step>),
    Finished(Arc<Finished>),
    Failed(EngineError),
    Cancelled,
}

/// One cell: what is asked, and how far it is.
#[derive(Debug, Clone)]
pub struct CellRun {
    pub spec: JobSpec,
    pub state: CellState,
}

/// A board at work. It owns no thread: whoever shows it calls [`BoardRun::pump`] now and then.
#[derive(Default)]
pub struct BoardRun {
    cells: Vec<CellRun>,
    /// Cells that wait, the next one first.
    queue: VecDeque<usize>,
    /// Jobs in the engine, oldest first, with their cells; `None` is a cell that is no longer of this board.
    active: Vec<(Option<usize>, JobHandle)>,
}

impl BoardRun {
    /// A board of these cells, to be made in this order (indices into `specs`; what it leaves out comes last).
    pub fn new(specs: Vec<JobSpec>, order: &[usize]) -> Self {
        let mut board = Self::default();
        board.replace(specs, order);
        board
    }

    pub fn cells(&self) -> &[CellRun] {
        &self.cells
    }

    /// Nothing waits and nothing is at work.
    pub fn is_done(&self) -> bool {
        self.queue.is_empty() && self.active.iter().all(|(cell, _)| cell.is_none())
    }

    /// Takes in what the engine has said and hands it more cells. Returns the cells that have changed. Never waits.
    ///
    /// # Errors
    /// The engine has stopped. A cell that fails is no error: its state says so.
    pub fn pump(&mut self, engine: &dyn Engine) -> Result<Vec<usize>, EngineError> {
        let mut changed = Vec::new();
        let mut index = 0;
        while let Some((cell, handle)) = self.active.get(index) {
            let (cell, events) = (*cell, handle.events.clone());
            let mut is_over = false;
            while !is_over {
                let event = match events.try_recv() {
                    Ok(event) => event,
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => ended_without_a_word(),
                };
                is_over = is_last(&event);
                self.hear(cell, event, &mut changed);
            }
            if is_over {
                self.active.remove(index);
            } else {
                index += 1;
            }
        }
        self.submit(engine, &mut changed)?;
        changed.sort_unstable();
        changed.dedup();
        Ok(changed)
    }

    /// As [`BoardRun::pump`], but sleeps until a cell has changed; empty when the board is done.
    ///
    /// # Errors
    /// As [`BoardRun::pump`].
    pub fn wait(&mut self, engine: &dyn Engine) -> Result<Vec<usize>, EngineError> {
        loop {
            let mut changed = self.pump(engine)?;
            if !changed.is_empty() || self.is_done() {
                return Ok(changed);
            }
            // Jobs are begun in order, so the oldest is over first, or with those that it is computed together with.
            let Some((cell, handle)) = self.active.first() else { return Ok(changed) };
            let cell = *cell;
            let event = handle.events.recv().unwrap_or_else(|_| ended_without_a_word());
            let is_over = is_last(&event);
            self.hear(cell, event, &mut changed);
            if is_over {
                self.active.remove(0);
            }
            if !changed.is_empty() {
                self.submit(engine, &mut changed)?;
                changed.sort_unstable();
                changed.dedup();
                return Ok(changed);
            }
        }
    }

    /// Stops one cell, or takes it out of those that wait.
    pub fn cancel(&mut self, cell: usize) {
        self.queue.retain(|waiting| *waiting != cell);
        for (_, handle) in self.active.iter().filter(|(active, _)| *active == Some(cell)) {
            handle.cancel.cancel();
        }
        // One at work says so too, though the engine may go on with it to the next block: nobody waits for that.
        if let Some(run) = self.cells.get_mut(cell)
            && matches!(run.state, CellState::Waiting | CellState::Running(_))
        {
            run.state = CellState::Cancelled;
        }
    }

    pub fn cancel_all(&mut self) {
        (0..self.cells.len()).for_each(|cell| self.cancel(cell));
    }

    /// Makes one cell again, before those that wait.
    pub fn rerun(&mut self, cell: usize) {
        self.cancel(cell);
        self.forget(cell);
        if let Some(run) = self.cells.get_mut(cell) {
            run.state = CellState::Waiting;
            self.queue.push_front(cell);
        }
    }

    /// The board is another now: cells that ask for the same as a present one keep its state (one that was
    /// cancelled stays so), the others are made. Returns which of the old cells each was.
    pub fn replace(&mut self, specs: Vec<JobSpec>, order: &[usize]) -> Vec<Option<usize>> {
        let old = std::mem::take(&mut self.cells);
        let from: Vec<Option<usize>> =
            specs.iter().map(|spec| old.iter().position(|cell| is_same(&cell.spec, spec))).collect();
        self.cells = specs
            .into_iter()
            .enumerate()
            .map(|(place, spec)| {
                let known = from.get(place).copied().flatten();
                let state = match known.and_then(|index| old.get(index)).map(|cell| cell.state.clone()) {
                    // A job at work has one cell to tell; its twin waits.
                    Some(CellState::Running(_)) if from.iter().position(|from| *from == known) != Some(place) => {
                        CellState::Waiting
                    }
                    Some(state) => state,
                    None => CellState::Waiting,
                };
                CellRun { spec, state }
            })
            .collect();
        for (cell, handle) in &mut self.active {
            let place = cell.and_then(|cell| from.iter().position(|from| *from == Some(cell)));
            if cell.is_some() && place.is_none() {
                handle.cancel.cancel();
            }
            *cell = place;
        }
        let in_engine: Vec<usize> = self.active.iter().filter_map(|(cell, _)| *cell).collect();
        let all = 0..self.cells.len();
        let mut is_queued = vec![false; self.cells.len()];
        self.queue.clear();
        for cell in order.iter().copied().chain(all) {
            let is_waiting = self.cells.get(cell).is_some_and(|run| matches!(run.state, CellState::Waiting));
            // One that the engine has in its queue says that it waits, too.
            let waits = is_waiting && !in_engine.contains(&cell);
            if let Some(queued) = is_queued.get_mut(cell).filter(|queued| waits && !**queued) {
                *queued = true;
                self.queue.push_back(cell);
            }
        }
        from
    }

    /// The jobs of a cell go on without being heard.
    fn forget(&mut self, cell: usize) {
        for (active, _) in &mut self.active {
            if *active == Some(cell) {
                *active = None;
            }
        }
    }

    fn hear(&mut self, cell: Option<usize>, event: JobEvent, changed: &mut Vec<usize>) {
        let Some((index, run)) = cell.and_then(|index| Some((index, self.cells.get_mut(index)?))) else { return };
        run.state = match event {
            JobEvent::Queued | JobEvent::Decoding => return,
            // What was on its way when it was stopped; a picture that was finished by then is kept.
            JobEvent::Loading(_) | JobEvent::Encoding(_) | JobEvent::Step(_) | JobEvent::Failed(_)
                if matches!(run.state, CellState::Cancelled) =>
            {
                return;
            }
            JobEvent::Loading(_) | JobEvent::Encoding(_) => match run.state {
                CellState::Waiting => CellState::Running(None),
                _ => return,
            },
            JobEvent::Step(step) => CellState::Running(Some(step)),
            JobEvent::Finished(finished) => CellState::Finished(Arc::from(finished)),
            JobEvent::Failed(error) => CellState::Failed(error),
            JobEvent::Cancelled => CellState::Cancelled,
        };
        changed.push(index);
    }

    /// How many jobs may be in the engine together with this cell's.
    fn ahead(&self, cell: usize) -> usize {
        let are_small =
            self.active.iter().filter_map(|(active, _)| *active).chain([cell]).all(|cell| self.is_small(cell));
        if are_small { AHEAD_OF_SMALL } else { AHEAD }
    }

    /// By its size, or by the picture of a cell that leaves the same size to the model.
    fn is_small(&self, cell: usize) -> bool {
        let size = |cell: &CellRun| (cell.spec.recipe.width, cell.spec.recipe.height);
        let Some(run) = self.cells.get(cell) else { return false };
        let known = match size(run) {
            (Some(width), Some(height)) => Some((width, height)),
            open => self.cells.iter().find_map(|other| match &other.state {
                CellState::Finished(finished) if size(other) == open && other.spec.model == run.spec.model => {
                    Some(finished.image.dimensions())
                }
                _ => None,
            }),
        };
        known.is_some_and(|(width, height)| width.saturating_mul(height) <= SMALL)
    }

    fn submit(&mut self, engine: &dyn Engine, changed: &mut Vec<usize>) -> Result<(), EngineError> {
        while let Some(cell) = self.queue.front().copied()
            && self.active.len() < self.ahead(cell)
        {
            let Some(run) = self.cells.get(cell) else {
                self.queue.pop_front();
                continue;
            };
            // Two cells may ask for one picture.
            let twin = self.cells.iter().enumerate().find_map(|(index, other)| match &other.state {
                CellState::Finished(finished) if index != cell && is_same(&other.spec, &run.spec) => {
                    Some(finished.clone())
                }
                _ => None,
            });
            if let Some(finished) = twin {
                self.queue.pop_front();
                if let Some(run) = self.cells.get_mut(cell) {
                    run.state = CellState::Finished(finished);
                }
                changed.push(cell);
                continue;
            }
            let handle = engine.submit(run.spec.clone())?;
            self.queue.pop_front();
            self.active.push((Some(cell), handle));
        }
        Ok(())
    }
}

/// What is heard of a job whose engine is gone.
fn ended_without_a_word() -> JobEvent {
    JobEvent::Failed(EngineError::Panicked("it ended without a word".to_owned()))
}

fn is_last(event: &JobEvent) -> bool {
    matches!(event, JobEvent::Finished(_) | JobEvent::Failed(_) | JobEvent::Cancelled)
}

/// Whether two jobs make the same picture. Pictures are known by their content.
fn is_same(a: &JobSpec, b: &JobSpec) -> bool {
    let hashes = |spec: &JobSpec| -> Vec<String> {
        spec.references.iter().chain(&spec.init).map(|picture| picture.hash.clone()).collect()
    };
    a.recipe == b.recipe && a.model == b.model && a.compute == b.compute && hashes(a) == hashes(b)
}
