package wstest
