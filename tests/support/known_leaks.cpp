// What the leak sanitizer finds in libraries, and nobody here can mend.
//
// libpqxx 6.4 asks a connection for its encoding before it takes charge of a result, and throws if the connection has just broken:
// the result of every statement that ends with its session is lost, some 2 KB.
extern "C" const char* __lsan_default_suppressions()
{
    return "leak:pqxx::connection_base::exec\n"
           "leak:PQmakeEmptyPGresult\n";
}
