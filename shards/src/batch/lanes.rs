//! The models of a shard, by name, version and role.

use std::cell::RefCell;
use std::rc::Rc;

use super::{Lane, LaneSettings};
use crate::facts::Role;
use crate::model::canary::Canary;
use crate::mutation::{Mutation, is_in_force};

/// How many models an answer names that are not the one asked for.
const MODELS_NAMED_MAX: usize = 10;

/// The lanes of one shard, the default model's first.
#[derive(Debug, Default)]
pub(crate) struct Lanes(RefCell<Vec<Rc<Lane>>>);

impl Lanes {
    /// The lane of a model's stable version, or of the default model's.
    pub(crate) fn lane(&self, model: Option<&str>) -> Option<Rc<Lane>> {
        let lanes = self.0.borrow();
        let mut stable = lanes.iter().filter(|lane| lane.settings.role == Role::Stable);
        let lane = match model {
            None => stable.next(),
            Some(name) => stable.find(|lane| lane.settings.model == name),
        };
        lane.cloned()
    }

    /// The lane of one version of a model, stable or tried out; `version` as a path spells it.
    pub(crate) fn version(&self, model: &str, version: &str) -> Option<Rc<Lane>> {
        let lanes = self.0.borrow();
        let is_it = |lane: &&Rc<Lane>| {
            let LaneSettings { model: name, version: number, role, .. } = &lane.settings;
            name == model && *role != Role::Shadow && number.to_string() == version
        };
        lanes.iter().find(is_it).cloned()
    }

    /// The versions of a model that may be asked, the stable one first.
    pub(crate) fn versions(&self, model: &str) -> Vec<u64> {
        let lanes = self.0.borrow();
        let of = |role| lanes.iter().find(move |lane| lane.settings.is(model, role));
        let answering = [Role::Stable, Role::Canary].into_iter().filter_map(of);
        answering.map(|lane| lane.settings.version).collect()
    }

    /// The names of the models that may be asked, for people: some of them where there are many.
    pub(crate) fn model_names(&self) -> String {
        let lanes = self.0.borrow();
        let stable = lanes.iter().filter(|lane| lane.settings.role == Role::Stable);
        let mut names: Vec<&str> = stable.map(|lane| lane.settings.model.as_str()).collect();
        let others = names.len().saturating_sub(MODELS_NAMED_MAX);
        names.truncate(MODELS_NAMED_MAX);
        let named = names.join(", ");
        if others > 0 { format!("{named} and {others} more") } else { named }
    }

    /// The share of the users of `lane` whom the version that is tried out scores, and the lane of
    /// that version, if there is one.
    #[inline]
    pub(crate) fn canary(&self, lane: &Lane) -> Option<(Canary, Rc<Lane>)> {
        let LaneSettings { model, canary, .. } = &lane.settings;
        let share = (*canary)?;
        Some((share, self.lane_for(model, Role::Canary)?))
    }

    /// The lane of the candidate that scores copies of the rows of `lane`, if there is one.
    pub(crate) fn shadow(&self, lane: &Lane) -> Option<Rc<Lane>> {
        let LaneSettings { model, role, shadow, .. } = &lane.settings;
        if *role != Role::Stable || shadow.is_none() {
            return None;
        }
        self.lane_for(model, Role::Shadow)
    }

    fn lane_for(&self, model: &str, role: Role) -> Option<Rc<Lane>> {
        self.0.borrow().iter().find(|lane| lane.settings.is(model, role)).cloned()
    }

    /// Whether the store does not fit a model that clients ask for.
    pub(crate) fn is_unfit(&self) -> bool {
        let is_stable = |lane: &&Rc<Lane>| lane.settings.role == Role::Stable;
        self.0.borrow().iter().filter(is_stable).any(|lane| lane.is_unfit())
    }

    /// Whether rows wait that somebody waits for.
    pub(crate) fn is_busy(&self) -> bool {
        let answers = |lane: &&Rc<Lane>| lane.settings.role != Role::Shadow;
        self.0.borrow().iter().filter(answers).any(|lane| lane.waiting_rows() > 0)
    }

    /// The lanes of all models, the default one first.
    pub(crate) fn all(&self) -> Vec<Rc<Lane>> {
        self.0.borrow().clone()
    }

    /// Shows each lane to `look`, until one answers true; whether one did.
    pub(crate) fn any(&self, look: impl Fn(&Lane) -> bool) -> bool {
        self.0.borrow().iter().any(|lane| look(lane))
    }

    /// Shows each lane to `look`.
    pub(crate) fn each(&self, look: impl Fn(&Lane)) {
        self.0.borrow().iter().for_each(|lane| look(lane));
    }

    /// Puts a lane there. One of the same model and role answers what it has admitted and goes; so do
    /// those that an earlier manifest had, as no user is theirs any more.
    pub(crate) fn install(&self, lane: &Rc<Lane>) {
        let mut lanes = self.0.borrow_mut();
        let LaneSettings { model, role, canary, shadow, .. } = &lane.settings;
        if canary.is_none() {
            retire(&mut lanes, |known| known.settings.is(model, Role::Canary));
        }
        if shadow.is_none() {
            retire(&mut lanes, |known| known.settings.is(model, Role::Shadow));
        }
        let same = |known: &&mut Rc<Lane>| known.settings.is(model, *role);
        match lanes.iter_mut().find(same) {
            Some(_) if is_in_force(Mutation::ServeOldVersion) => {}
            Some(known) => std::mem::replace(known, Rc::clone(lane)).retire(),
            None => lanes.push(Rc::clone(lane)),
        }
    }

    /// Ends the lanes of a model once they have answered what they admitted.
    pub(crate) fn remove(&self, model: &str) {
        retire(&mut self.0.borrow_mut(), |lane| lane.settings.model == model);
    }

    /// Ends every lane once it has answered what it admitted.
    pub(crate) fn retire_all(&self) {
        retire(&mut self.0.borrow_mut(), |_| true);
    }
}

/// Takes out the lanes that `goes` holds for; each answers what it has admitted.
fn retire(lanes: &mut Vec<Rc<Lane>>, goes: impl Fn(&Lane) -> bool) {
    lanes.retain(|lane| {
        let stays = !goes(lane);
        if !stays {
            lane.retire();
        }
        stays
    });
}
