"""The manager beside the built-in game: the messages fit on both sides."""

import numpy as np

from curriculum import CurriculumConfig, CurriculumManager
from puffer_envs.contract.records import Event
from puffer_envs.pokemon_red.config import Config
from puffer_envs.pokemon_red.env import PokemonRed
from puffer_envs.pokemon_red.savestate import inspect_state


def test_a_state_that_one_row_saved_is_where_pulled_rows_begin(folder):
    env = PokemonRed(Config(), 2, seed=1)
    env.keep_episodes(True)
    config = CurriculumConfig(seed_dir="")  # or a shipped state of the milestone would make it nothing new
    manager = CurriculumManager(env.spec.milestones, folder, config, 1, world_id=env.rom.sha1, inspect=inspect_state)
    env.reset()
    env.want_states(manager.wanted())
    state_id = manager.on_event(Event(0, 3, 1, env.save_state(0)), global_step=2)  # as if a milestone had been reached
    assert state_id is not None
    entry = manager.store.entries[state_id]
    assert (entry.facts, entry.state_version) == ({"map": env.game.route[0], "badges": 0}, 15)
    env.add_state(state_id, manager.load_bytes(state_id))
    ((pulled, start),) = manager.pull(range(env.num_envs)).items()
    env.set_next_start(pulled, start)
    env.request_reset(np.arange(env.num_envs) == pulled)
    env.step(np.zeros(2, np.int32))
    (episode,) = env.poll_episodes()
    manager.on_episode(episode, global_step=4)
    assert manager.theta.tolist() == [0.5] * len(env.spec.milestones)  # the pull cut it: it says nothing
    assert env.start_state[pulled] == state_id
    assert env.poll_failures() == []
    env.close()
