"""Trainings to be stopped, in processes of their own."""

import os
import signal
import time

import keras
import pytest
import tensorflow as tf

from keras_vit.training.train import train


class Seen(keras.callbacks.Callback):
    """Notes the steps that it is told of, and calls `act` after the step `number` (from 1) of this process."""

    def __init__(self, number=0, act=None):
        super().__init__()
        self.steps, self.epoch, self.number, self.act = [], None, number, act

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if self.act and len(self.steps) + 1 == self.number:
            self.act()

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append((self.epoch, batch, float(logs["loss"])))


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


class Slowly(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        time.sleep(0.02)


def slow_run(options, log):
    """Trains in a process of its own, to be killed in."""
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
    os.dup2(1, 2)
    train(options, [Slowly()])


def whole_and_terminated(whole, terminated):
    """Trains on two devices without an end and with one within an epoch, in a process that begins with this."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    train(whole)
    with pytest.raises(SystemExit):
        train(terminated, [Seen(33, terminate)])
    train(terminated)
