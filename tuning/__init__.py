"""Search for settings of `dmn_keras.Config` with keras-tuner; run from a checkout, see `tuning/README.md`."""
