"""Published weights: conversion of other projects' state dicts to our names."""
