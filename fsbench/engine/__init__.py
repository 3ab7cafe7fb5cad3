"""An evaluation: loaded model, plan, batches, folds, answers."""
