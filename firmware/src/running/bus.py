"""The node's bus: a CAN controller whose frames of an update go to the update, while there is one."""

from drivers.can_controller import ControllerCan


class NodeCan(ControllerCan):
    """`update` is a store.update.Update in service, else None: what it takes the node's requests do not see."""

    update = None

    def receive(self):
        """True when a frame is in rx_id and rx_data."""
        update = self.update
        while ControllerCan.receive(self):
            if update is None or not update.frame(self.rx_id, self.rx_data):
                return True
        return False
