"""The embedded default: a small world, and a latent diffusion model trained on it."""
