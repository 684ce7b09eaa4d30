#pragma once

#include "ops/cli/cli.hpp"
#include "tests/support/scratch_folder.hpp"
#include "tests/support/stub_http.hpp"

#include <boost/json/value.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace rowlock::test {

// The program run by its arguments, as main() does, and what it has left behind.
struct ended {
    int code = 0;
    std::string out;
    std::string err;
};
ended run_line(const std::vector<std::string>& arguments, const ops::server_verbs& server = {}, const ops::surroundings& around = {});
// With the stub as its server.
ended run_against(const stub_http& stub, std::vector<std::string> arguments);

// A file with its folders; returns its path.
std::string write_file(const scratch_folder& folder, const std::string& name, std::string_view text);

// Fails the test where it is none.
boost::json::value json_of(const std::string& text);

}
