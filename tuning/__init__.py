"""Search for settings of `dmn_keras.RunConfig` with keras-tuner; run from a checkout, see `tuning/README.md`."""
