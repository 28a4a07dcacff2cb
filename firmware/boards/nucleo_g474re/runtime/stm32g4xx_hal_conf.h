#include "boards/NUCLEO_G474RE/stm32g4xx_hal_conf.h"
