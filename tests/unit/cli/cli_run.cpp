#include "tests/unit/cli/cli_run.hpp"

#include "storage/model/json_text.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace rowlock::test {

ended run_line(const std::vector<std::string>& arguments, const ops::server_verbs& server, const ops::surroundings& around)
{
    std::ostringstream out;
    std::ostringstream err;
    const int code = ops::run_cli(arguments, server, out, err, around);
    return {code, out.str(), err.str()};
}

ended run_against(const stub_http& stub, std::vector<std::string> arguments)
{
    arguments.insert(arguments.end(), {"--url", stub.url()});
    return run_line(arguments);
}

std::string write_file(const scratch_folder& folder, const std::string& name, std::string_view text)
{
    const auto path = folder.path() / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return path.string();
}

boost::json::value json_of(const std::string& text)
{
    const auto value = parse_json(text);
    INFO(text);
    REQUIRE(value.has_value());
    return *value;
}

}
