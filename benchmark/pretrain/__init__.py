"""Pretraining: trains the embedded toybox model from scratch. Only ``cpbench pretrain`` needs it."""
