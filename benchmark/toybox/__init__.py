"""The embedded toybox: a small rendered world, and a latent diffusion model trained on it."""
