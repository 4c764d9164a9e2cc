"""Sky residuals of finished cubes, subtracted by principal components."""
