"""The power goes while a node's configuration is written; see power_cut_device.py."""

from generated import limits_lfp_8s_320ah as limits
from power_cut_device import FOLDER, MIXED, NEW, NONE, OLD, main
from store.config import Config
from store.config_form import same
from store.memory import Memory
from store.service import save_config


def of_version(version):
    """A configuration in which every field tells the version."""
    config = Config(limits)
    config.number = 1 + version
    config.serial = f"number {version}"
    config.current_gain_ppm = 100 * version
    config.current_offset_ma = -version
    for i in range(limits.CELLS):
        config.cell_gain_ppm[i] = 10 * version + i
        config.cell_offset_mv[i] = -(version % 10)
    for i in range(limits.SENSORS):
        config.temp_offset_dc[i] = version % 20
    return config


class ConfigCuts:
    survivor = None

    def first(self):
        self.change(0)

    def change(self, version):
        memory = Memory(limits, FOLDER)
        memory.start(1)
        if not save_config(memory, of_version(version)):
            raise OSError

    def judge(self, version):
        memory = Memory(limits, FOLDER)
        memory.start(1)
        if memory.bad:
            return NONE
        for found, n in ((NEW, version), (OLD, version - 1)):
            if same(memory.config, of_version(n)):
                return found
        return MIXED


main(ConfigCuts())
