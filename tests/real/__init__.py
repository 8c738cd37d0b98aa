"""Tests against real mail servers, installed from Debian into throw-away overlays of this machine."""
