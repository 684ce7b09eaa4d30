#include "runtime/handlers/program.hpp"

#include "tests/support/scratch_folder.hpp"

#include <catch2/catch.hpp>
#include <fstream>

using namespace rowlock;
using namespace rowlock::runtime;
namespace fs = std::filesystem;

namespace {

// bin/ is the PATH: `tool`, `many` (one file, many programs) with the links `list` and `erase` to it; elsewhere/ has a link to tool,
// one called tool that leads to many, and a program of its own.
struct programs {
    test::scratch_folder folder;
    fs::path bin = folder.path() / "bin";
    fs::path elsewhere = folder.path() / "elsewhere";

    programs()
    {
        fs::create_directory(bin);
        fs::create_directory(elsewhere);
        for (const auto& file : {bin / "tool", bin / "many", elsewhere / "own"}) {
            std::ofstream(file) << "#!/bin/sh\n";
            fs::permissions(file, fs::perms::owner_all);
        }
        fs::create_symlink("many", bin / "list");
        fs::create_symlink("many", bin / "erase");
        fs::create_symlink(bin / "tool", elsewhere / "alias");
        fs::create_symlink(bin / "many", elsewhere / "tool");
        fs::create_symlink(bin / "tool", elsewhere / "TOOL");
        std::ofstream(bin / "data") << "no program";
    }
};

}

TEST_CASE("the list of programs decides what may run", "[unit][process]")
{
    const programs p;
    struct row {
        const char* why;
        std::vector<std::string> allowed;
        std::string word;
        std::string expected;                        // the file below the folder, or the code of the failure
    };
    const std::vector<row> rows{
        {"anything is anything", {"*"}, "./own", "elsewhere/own"},
        {"anything, by its name", {"*"}, "tool", "bin/tool"},
        {"anything, but it is not there", {"*"}, "nothing", "INVALID_CONFIG"},
        {"nothing listed, nothing runs", {}, "tool", "PERMISSION_DENIED"},
        {"a name is the program on the PATH", {"tool"}, "tool", "bin/tool"},
        {"that program by its path", {"tool"}, (p.bin / "tool").string(), "bin/tool"},
        {"a path, by its name", {(p.bin / "tool").string()}, "tool", "bin/tool"},
        {"a path with dots in it", {"tool"}, (p.bin / ".." / "bin" / "tool").string(), "bin/tool"},
        {"another program", {"tool"}, "list", "PERMISSION_DENIED"},
        {"another program of that name elsewhere", {"tool"}, "./tool", "PERMISSION_DENIED"},
        {"a link of another name to it", {"tool"}, "./alias", "PERMISSION_DENIED"},
        {"one file, the program that is allowed", {"list"}, "list", "bin/list"},
        {"one file, the program that is not allowed", {"list"}, "erase", "PERMISSION_DENIED"},
        {"one file, by its own name", {"list"}, "many", "PERMISSION_DENIED"},
        {"a name that is listed but not there", {"nothing"}, "nothing", "INVALID_CONFIG"},
        {"a relative entry allows nothing", {"./own"}, "./own", "PERMISSION_DENIED"},
        {"a listed file that cannot be executed", {(p.bin / "data").string()}, (p.bin / "data").string(), "INVALID_CONFIG"},
        {"an empty word", {"*"}, "", "INVALID_CONFIG"},
    };
    for (const auto& r : rows) {
        INFO(r.why);
        const auto found = find_program(r.word, p.elsewhere, p.bin.string(), {.enabled = true, .allowed_programs = r.allowed, .run_root = {}});
        CHECK((found ? found->lexically_relative(p.folder.path()).string() : found.error().code) == r.expected);
    }
}

TEST_CASE("where processes are off, no list helps", "[unit][process]")
{
    const auto found = find_program("sh", "/", "/bin", {.enabled = false, .allowed_programs = {"*"}, .run_root = {}});
    REQUIRE_FALSE(found.has_value());
    CHECK(found.error().code == "PERMISSION_DENIED");
    CHECK_THAT(found.error().message, Catch::Contains("PROCESS_HANDLER_ENABLED"));
}

TEST_CASE("a relative entry of the PATH is not looked at", "[unit][process]")
{
    CHECK_FALSE(find_program("sh", "/", ".::bin", {.enabled = true, .allowed_programs = {"*"}, .run_root = {}}).has_value());
}
