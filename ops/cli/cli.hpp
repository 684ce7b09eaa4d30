#pragma once

#include "ops/cli/context.hpp"
#include "ops/cli/terminal.hpp"

#include <functional>
#include <ostream>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace rowlock::ops {

// The verbs that make this program a server, wired by main. Each adds its verb to the application and leaves what it does in
// `context::chosen`; that returns the exit code. The group of all four is server_group. An empty function adds nothing.
struct server_verbs {
    using add_verb = std::function<void(CLI::App& app, context& c)>;
    add_verb dev{};
    add_verb serve{};
    add_verb migrate{};
    add_verb config{};
};
inline constexpr const char* server_group = "Server";

// Reads the command line, performs its verb and returns the exit code of the program: see exit_code.hpp. What is wrong with the line itself
// is one line on stderr and exit code 2. Nothing is thrown.
int run_cli(int argc, char** argv, const server_verbs& server);

// The same with other streams and surroundings. `arguments` are those after the program's name.
int run_cli(const std::vector<std::string>& arguments, const server_verbs& server, std::ostream& out, std::ostream& err, const surroundings& around);

}
