"""Unmask: was a face in this video or picture made or altered by a machine?"""
