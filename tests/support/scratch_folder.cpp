#include "tests/support/scratch_folder.hpp"

#include <cerrno>
#include <cstdlib>
#include <string>
#include <sys/stat.h>
#include <system_error>

namespace rowlock::test {

scratch_folder::scratch_folder()
{
    std::string name = (std::filesystem::temp_directory_path() / "rowlock-test-XXXXXX").string();
    if (!::mkdtemp(name.data())) throw std::system_error(errno, std::generic_category(), name);
    ::chmod(name.c_str(), 0755);
    path_ = name;
}

scratch_folder::~scratch_folder()
{
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

}
