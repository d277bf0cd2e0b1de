"""Tests of `pretrain`."""
