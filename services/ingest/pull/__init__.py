"""Cameras that are polled: snapshots, MJPEG and RTSP."""
