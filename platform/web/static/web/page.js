/* What every page does: the theme switch, menus that close, copy buttons, messages that go. Loaded by web/base.html. */

import { startCopyButtons } from "./copy.js";
import { startMenus } from "./menu.js";
import { startThemeSwitch } from "./theme.js";
import { startToasts } from "./toast.js";

startThemeSwitch();
startMenus();
startCopyButtons();
startToasts();
