#pragma once

#include <optional>
#include <string>

namespace rowlock::ops {

// What the program finds around itself. Read once, so that what follows from it is a pure decision.
struct surroundings {
    bool out_is_terminal = false;
    bool err_is_terminal = false;
    int columns = 0;                         // of the terminal; 0: not known
    std::optional<std::string> no_color{};   // NO_COLOR
    std::optional<std::string> term{};       // TERM
    std::optional<std::string> ci{};         // CI
    std::optional<std::string> charset{};    // the first of LC_ALL, LC_CTYPE, LANG that says something
};
surroundings read_surroundings();

// How the program writes.
struct terminal_style {
    bool out_colour = false;
    bool err_colour = false;
    bool live = false;                       // a progress bar may redraw its line on stderr
    bool unicode = false;                    // otherwise ASCII takes the place of bars, arrows and ellipses
    int width = 0;                           // the widest line on stdout; 0: no bound, as when piped
};

// No colour with --no-color, NO_COLOR (not empty), TERM=dumb, CI (set, and not "false" or "0"), or where the stream is no terminal.
// At most 100 columns on a terminal.
terminal_style decide_style(const surroundings& around, bool no_color_flag);

}
