"""An evaluation: the loaded model, the plan, batches, answers, folds."""
