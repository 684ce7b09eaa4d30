#pragma once

#include "tests/crash/load.hpp"
#include "tests/support/stub_http.hpp"

#include <map>
#include <string>
#include <vector>

namespace rowlock::test {

// What jobs have done outside the database: lines in a file, and requests that a server got.
class effects {
public:
    effects();

    // Defines the jobs of the load, so that `writes` and `calls` leave their effects here.
    void define(const server_process& on) const;
    static std::vector<std::string> kinds();

    // Once all has ended: nothing was started twice, what is COMPLETED has had its effect, and so has every acknowledged run.
    // `acknowledged`: the run of each key.
    void check(const std::string& database, const std::map<std::string, std::string>& acknowledged) const;

private:
    // How often each execution had an effect.
    std::map<std::string, int> counted() const;

    scratch_folder folder_;
    stub_http server_;
};

}
