"""placeholder"""
def frame(match, moves, max_steps, opponent):
    import numpy as np
    return np.zeros((10,10,3),np.uint8)
