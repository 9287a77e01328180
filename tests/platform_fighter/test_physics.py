"""The twin's boxes against figures measured with Chipmunk 7.0.3, with the stage, the platform and one fighter's box."""

import pytest

from tests.reference.platform_fighter.physics import Body, World

Numbers = tuple[float, float, float, float]  # x, y, vx, vy

# Where the box begins, velocities set before some steps (None: as it is), what was measured after some.
SCENES: dict[str, tuple[Numbers, dict[int, tuple[float | None, float | None]], dict[int, Numbers]]] = {
    "too deep in the ground: pushed out little by little": (
        (4.5, -4, 0, 0),
        {},
        {34: (4.5, 0.4596, 0, 0), 36: (4.5, 0.4563, 0, 0), 40: (4.5, 0.4527, 0, 0)},
    ),
    "against the side of a ground, which slows the fall": (
        (1, 3.5, 8, -9),
        {4: (8, None)},
        {4: (2.041, 2.5494, 0, 0), 8: (1.8269, 2.6681, 0, 2.3744), 14: (1.7107, 3.4398, 0, 5.936)},
    ),
    "from below against the platform": (
        (0.3, 2.2, 1, -8),
        {},
        {
            3: (0.4, 1.4594, -0.7263, 0.7263),
            5: (0.3516, 1.5665, -0.7263, 1.9135),
            10: (0.2305, 2.0944, -0.7263, 4.8815),
        },
    ),
    "on the platform": (
        (0.2, 0.3, 0, 0),
        {},
        {
            10: (0.1058, 0.691, -0.6884, 0.6884),
            20: (-0.1078, 0.9046, -0.574, 0.574),
            40: (-0.4055, 1.2023, -0.3159, 0.3159),
        },
    ),
    "back on the ground at once: the old impulses count for friction": (
        (5, 0.4, 0, 0),
        {4: (6, -8.9), 5: (6, 9)},
        {5: (5.4, 0.4033, 1.0083, 0), 6: (5.4336, 0.4033, 0.7174, 0), 9: (5.4763, 0.4033, 0, 0)},
    ),
    "sliding over the ledge": (
        (3, 0.4, 9, 0),
        {},
        {5: (4.403, 0.4, 7.5457, 0), 15: (6.482, 0.4, 4.637, 0), 30: (8.0539, 0.954, 2.601, 4.7488)},
    ),
}


@pytest.mark.parametrize(("start", "pushes", "measured"), SCENES.values(), ids=SCENES)
def test_a_box_moves_as_in_chipmunk(start: Numbers, pushes: dict, measured: dict[int, Numbers]) -> None:
    world, body = World(), Body(start[0], start[1], 0.87, 1.0, 0.7, start[2], start[3])
    world.bodies.append(body)
    for step in range(1, max(measured) + 1):
        vx, vy = pushes.get(step, (None, None))
        body.vx, body.vy = body.vx if vx is None else vx, body.vy if vy is None else vy
        world.platform.steer()
        world.step()
        if step in measured:
            assert (body.x, body.y, body.vx, body.vy) == pytest.approx(measured[step], abs=1e-4)


def test_boxes_that_touch_exactly_are_in_contact() -> None:
    world, body = World(), Body(4.0, 0.35, 0.87, 1.0, 0.7)
    world.bodies.append(body)
    for _ in range(10):
        world.step()
    assert (body.y, body.vy) == (0.35, 0)
