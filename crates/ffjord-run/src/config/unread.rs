//! What a configuration says and a run does not read.

use super::{ModelKind, ObjectiveConfig, RunConfig};

impl RunConfig {
    /// A sentence that names the keys which are set but which training does not read, if there are any.
    ///
    /// ```
    /// use ffjord_run::config::{Preset, resolve};
    /// let unread = |preset: &str, setting: &str| {
    ///     resolve(&Preset::find(preset)?, &[setting.to_string()], None).map(|config| config.unread())
    /// };
    /// assert_eq!(unread("toy-moons", "seed=1")?, None);
    /// // Flow matching computes no path integrals.
    /// let said = unread("toy-moons-flow-matching", "regularisation.kinetic=0.1")?.ok_or("nothing is unread")?;
    /// assert!(said.contains("regularisation"), "{said}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unread(&self) -> Option<String> {
        match (self.unread_of_solves(), self.training.toward_data != 1.0) {
            (said, true) if !self.objective.is_flow_matching() => {
                let own = "only flow matching reads training.toward_data";
                Some(said.map_or(own.to_string(), |said| format!("{said}; {own}")))
            }
            (said, _) => said,
        }
    }

    /// Of what belongs to solves and to what is integrated along them.
    fn unread_of_solves(&self) -> Option<String> {
        let continuous = self.vae.as_ref().map(|vae| vae.posterior.is_continuous());
        let (reason, mut keys) = if continuous == Some(true) {
            (
                "the bound of a variational autoencoder has no path integrals",
                Vec::new(),
            )
        } else if self.model.kind != ModelKind::Cnf {
            // Every configuration has a `solver`: that it is there says nothing of what its author expects.
            ("a discrete flow solves no equation", Vec::new())
        } else if self.objective != ObjectiveConfig::MaximumLikelihood {
            let keys = ["solver.train", "solver.adjoint", "solver.backward"].map(String::from);
            (
                "flow matching trains the velocity alone and solves no equation",
                keys.to_vec(),
            )
        } else {
            return None;
        };
        let weights = self.regularisation.weights().into_iter();
        keys.extend(weights.map(|(integral, _)| format!("regularisation.{integral}").replace('-', "_")));
        if self.training.options.tolerance.is_some() && continuous != Some(true) {
            keys.push("training.tolerance".to_string());
        }
        if self.training.end_time_spread != 0.0 {
            keys.push("training.end_time_spread".to_string());
        }
        let learned = self.model.start.as_ref().is_some_and(|start| start.learned_bins > 0);
        if learned && self.objective.is_flow_matching() {
            keys.push("model.start.learned_bins".to_string());
        }
        (!keys.is_empty()).then(|| format!("{reason}, so that training does not read {}", keys.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Preset, resolve};
    use crate::error::Result;

    fn unread(preset: &str, settings: &[&str]) -> Result<Option<String>> {
        let settings: Vec<String> = settings.iter().copied().map(String::from).collect();
        Ok(resolve(&Preset::find(preset)?, &settings, None)?.unread())
    }

    #[test]
    fn maximum_likelihood_and_the_discrete_presets_read_all_of_it() -> Result<()> {
        for preset in ["power-quick", "power-glow", "toy-moons-fast"] {
            assert_eq!(unread(preset, &[])?, None);
        }
        Ok(())
    }

    #[test]
    fn flow_matching_reads_neither_solver_nor_integrals() -> Result<()> {
        let said = unread(
            "power-quick",
            &[
                "objective=flow-matching",
                "regularisation.energy_gradient=0.1",
                "training.end_time_spread=0.1",
            ],
        )?;
        let expected = "flow matching trains the velocity alone and solves no equation, so that training does not read \
                        solver.train, solver.adjoint, solver.backward, regularisation.kinetic, \
                        regularisation.jacobian, regularisation.energy_gradient, training.end_time_spread, \
                        model.start.learned_bins";
        assert_eq!(said.as_deref(), Some(expected));
        Ok(())
    }

    #[test]
    fn maximum_likelihood_has_no_places_on_paths() -> Result<()> {
        let power = ["training.toward_data=2.0"];
        let expected = "only flow matching reads training.toward_data";
        assert_eq!(unread("power-quick", &power)?.as_deref(), Some(expected));
        let said = unread("power-flow-matching", &power)?.unwrap_or_default();
        assert!(!said.contains("toward_data"), "{said}");
        Ok(())
    }

    #[test]
    fn discrete_flows_have_no_path_to_integrate_along() -> Result<()> {
        let said = unread("power-glow", &["regularisation.off_diagonal=1.0"])?;
        assert!(said.is_some_and(|said| said.ends_with("does not read regularisation.off_diagonal")));
        Ok(())
    }
}
